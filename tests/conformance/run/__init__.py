"""tests/conformance/run."""
