"""conformance/checks/joins."""
