"""Commands that validate and report: validate, rules, explain, conform, diff, trend, doctor, docs.

Imports zava.data, zava.terminal and below. Start at validate.py.
"""
