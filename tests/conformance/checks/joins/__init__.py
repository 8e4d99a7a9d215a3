"""tests/conformance/checks/joins."""
