"""tests/conformance/text."""
