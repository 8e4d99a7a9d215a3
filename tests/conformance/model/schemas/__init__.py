"""tests/conformance/model/schemas."""
