"""tests/conformance/server."""
