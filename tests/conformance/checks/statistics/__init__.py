"""tests/conformance/checks/statistics."""
