"""Run rules and work with the results: runner, partitions and their merge, baselines, watching, comparing two runs.

Imports rules and everything below. Start at runner.py; session.py prepares a run on a target.
"""
