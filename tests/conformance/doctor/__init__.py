"""Tests of zava doctor."""
