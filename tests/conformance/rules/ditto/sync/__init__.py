"""tests/conformance/rules/ditto/sync."""
