"""tests/edge/bridge."""
