"""tests/zava."""
