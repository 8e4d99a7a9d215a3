"""A store for tests, and a collection of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from edge.store.sdk import unavailable
from edge.store.statements import identifier
from edge.store.store import Store

numbers = count()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    return tmp_path_factory.mktemp("stores")


@pytest.fixture(scope="module")
def store(directory: Path) -> Iterator[Store]:
    with Store.open(directory / "loose") as opened:
        yield opened


@pytest.fixture
def things() -> str:
    """The name of an empty collection."""
    return f"things {next(numbers)}"


def on(things: str, dql: str) -> str:
    """Return the statement with the collection's quoted name in place of THINGS."""
    return dql.replace("THINGS", identifier(things))
