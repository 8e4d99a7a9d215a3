"""tests/conformance/language."""
