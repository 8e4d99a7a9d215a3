"""tests/conformance/config."""
