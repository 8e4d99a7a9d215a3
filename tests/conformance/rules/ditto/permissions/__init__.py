"""tests/conformance/rules/ditto/permissions."""
