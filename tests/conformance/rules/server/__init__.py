"""tests/conformance/rules/server."""
