"""conformance/patterns."""
