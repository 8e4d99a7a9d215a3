"""tests/conformance/patterns."""
