"""conformance/rules/server."""
