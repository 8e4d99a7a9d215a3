"""tests/conformance/connection."""
