"""tests/conformance/rules/ditto."""
