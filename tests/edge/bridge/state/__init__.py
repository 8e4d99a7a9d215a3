"""tests/edge/bridge/state."""
