"""tests/conformance/model."""
