"""tests/conformance/checks."""
