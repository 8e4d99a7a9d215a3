"""tests/conformance/embedded."""
