"""conformance/rules/ditto."""
