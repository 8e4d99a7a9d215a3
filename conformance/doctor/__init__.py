"""conformance/doctor."""
