"""Tests of inspections: databases in the shapes of public ones, and what is found in them."""
