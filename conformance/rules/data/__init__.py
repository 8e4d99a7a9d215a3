"""conformance/rules/data."""
