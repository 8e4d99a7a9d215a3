"""Fixtures shared by the tests of rules, and the summary of the fault catalogue."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.conformance.rules.finding import found
from tests.faults.engine.fault_runner import FaultRunner
from tests.faults.engine.place import Place
from tests.faults.tally import in_words
from tests.needs import mark, starts_nothing_unmarked
from tests.validation import ROOT, database, model, server
from zava.testing import garbage

__all__ = ["database", "fault_runner", "found", "model", "place", "server", "starts_nothing_unmarked"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the tests the same everywhere: a warning fails them, and `CI` is only set where a test sets it.

    Warnings fail no verdict on data: the suites have their own conftest.py.
    """
    os.environ.pop("CI", None)
    config.addinivalue_line("filterwarnings", "error")
    garbage.collect_less_often(config)


def pytest_collection_finish() -> None:
    """Exempt thousands of tests from garbage collection."""
    garbage.exempt_existing_objects()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the needs of the test, before pytest selects by markers and xdist by groups."""
    mark(item)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Divide the fault catalogue among the workers; every other file runs on one worker."""
    from tests.schedule import FileScheduling

    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, server: MongoClient[dict[str, Any]]) -> Iterator[Place]:
    """A copy of the project's model, and databases of conformant data for faults."""
    found = Place.copied(ROOT, tmp_path_factory.mktemp("model"), server, f"faults_{uuid.uuid4().hex[:8]}")
    yield found
    found.clear()


@pytest.fixture(scope="session")
def fault_runner(place: Place, tmp_path_factory: pytest.TempPathFactory) -> FaultRunner:
    """The runner of faults, which makes each fault once per session."""

    def directory() -> Path:
        return tmp_path_factory.mktemp("server")

    return FaultRunner(place, directory)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the numbers of faults made and caught."""
    line = in_words(config)
    if line:
        terminalreporter.write_line(line)
