"""The pytest plugin: the rules of a model as tests, in this repository's suites and in a team's own.

Start at entry.py, which pytest loads, and rules.py, which runs the rules.
"""
