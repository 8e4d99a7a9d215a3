"""tests/conformance/ditto."""
