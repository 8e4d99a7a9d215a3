"""tests/conformance/columns."""
