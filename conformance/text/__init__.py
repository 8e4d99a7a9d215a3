"""conformance/text."""
