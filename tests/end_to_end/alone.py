"""A workplace whose embedded server no other test uses, and a check that the server has ended after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.commands import Workplace, copy_of_the_model
from tests.conformance.embedded.processes import eventually, running
from tests.models import shipped_model

MODEL = shipped_model()


#: The collection that has the most documents.
LARGEST = next(c.name for c in MODEL if c.cardinality.get("setting") == "NUM_ORDERS")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A workplace whose server only the program starts and stops."""
    root = tmp_path_factory.mktemp("alone")
    return Workplace(copy_of_the_model(root / "model"), root / "cache")


@pytest.fixture(autouse=True)
def its_server_is_stopped(alone: Workplace) -> Iterator[None]:
    yield
    assert eventually(lambda: not running(alone.directory)), running(alone.directory)
