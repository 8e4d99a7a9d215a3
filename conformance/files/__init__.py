"""conformance/files."""
