"""tests/conformance/files."""
