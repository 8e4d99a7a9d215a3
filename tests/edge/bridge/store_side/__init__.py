"""tests/edge/bridge/store_side."""
