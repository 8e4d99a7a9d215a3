"""edge/bridge/state."""
