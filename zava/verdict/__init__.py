"""Commands that validate and report.

validate, merge, rules, explain, conform, diff, trend, doctor and docs need a model; inspect and infer do not.

Imports zava.data, zava.terminal and below. Start at validate.py.
"""
