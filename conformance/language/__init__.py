"""Languages of the configuration: formulas, conditions and DQL (Ditto's query language); days, look-alike letters.

Imports config, the model and below. Start at formulas/formula.py (arithmetic), conditions/condition.py (filters in the
style of DQL) and dql/parser.py (whole DQL statements).
"""
