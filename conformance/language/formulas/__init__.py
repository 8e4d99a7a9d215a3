"""Formulas of config/rules.yaml: parsed once, evaluated as MongoDB expressions and on NumPy columns.

May import `conformance.config`, `conformance.columns`, `conformance.model` and below. Start reading at `formula.py`;
`nodes.py` has one class per construct.
"""
