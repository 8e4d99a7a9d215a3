"""tests/conformance/rules/data."""
