"""Languages of the configuration: formulas, conditions, DQL (Ditto's query language), dates; and the G-test.

Imports config, the model and below. Start at formula.py (arithmetic), conditions.py (filters in the style of DQL)
and dql_parser.py (whole DQL statements).
"""
