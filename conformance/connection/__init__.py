"""conformance/connection."""
