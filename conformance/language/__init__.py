"""The small languages of the configuration: formulas, conditions, dates and the statistical test.

Imports config, the model and below. Start at formula.py (arithmetic) and conditions.py (filters in the style of DQL).
"""
