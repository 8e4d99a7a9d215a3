"""tests/suites."""
