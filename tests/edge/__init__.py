"""tests/edge."""
