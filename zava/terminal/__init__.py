"""zava/terminal."""
