"""zava/verdict."""
