"""Fixtures that the tests of the rules' families share."""

from __future__ import annotations

from tests.judging import database, model, server

__all__ = ["database", "model", "server"]
