"""Shared fixtures of the benchmarks: the tables that are printed at the end, even after failures."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from suites.benchmarks.tables import Tables

_TABLES = pytest.StashKey[Tables]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run's tables."""
    config.stash[_TABLES] = Tables()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:  # noqa: ARG001 - pytest's own names
    """Print them."""
    config.stash[_TABLES].show(Console(width=180, highlight=False))


@pytest.fixture(scope="session")
def tables(pytestconfig: pytest.Config) -> Tables:
    """Return the run's tables, to add rows to."""
    return pytestconfig.stash[_TABLES]
