"""edge/bridge/store_side."""
