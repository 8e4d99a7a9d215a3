"""edge/bridge/mongo_side."""
