"""tests/edge/store."""
