"""zava/servers."""
