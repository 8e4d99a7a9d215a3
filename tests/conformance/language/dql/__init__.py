"""tests/conformance/language/dql."""
