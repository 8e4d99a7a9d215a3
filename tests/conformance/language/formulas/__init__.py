"""tests/conformance/language/formulas."""
