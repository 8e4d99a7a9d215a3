"""tests/edge/bridge/mongo_side."""
