"""The project's own tests; the folders mirror the packages that they test."""
