"""tests/conformance/report."""
