"""zava/data."""
