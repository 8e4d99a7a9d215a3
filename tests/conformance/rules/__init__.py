"""tests/conformance/rules."""
