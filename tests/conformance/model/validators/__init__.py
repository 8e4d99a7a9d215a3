"""tests/conformance/model/validators."""
