"""tests/generator."""
