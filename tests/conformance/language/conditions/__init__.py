"""tests/conformance/language/conditions."""
