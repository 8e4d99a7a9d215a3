"""Tests of zava export and import."""
