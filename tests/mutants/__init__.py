"""tests/mutants."""
