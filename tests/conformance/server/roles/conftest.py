"""A server that asks for a password, and an empty database on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.embedded.server import EmbeddedServer

Mongo = MongoClient[dict[str, Any]]
Documents = Database[dict[str, Any]]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that asks for a password."""
    with EmbeddedServer(tmp_path_factory.mktemp("guarded"), cache_gb=0.25, auth=True, linger=0.2) as server:
        yield server


@pytest.fixture(scope="module")
def owner(guarded: EmbeddedServer) -> Iterator[Mongo]:
    with MongoClient[dict[str, Any]](guarded.uri) as client:
        yield client


@pytest.fixture
def shop(owner: Mongo) -> Iterator[Documents]:
    """An empty database; its users are removed with it."""
    database = owner["shop"]
    yield database
    database.command("dropAllUsersFromDatabase")
    database.command("dropAllRolesFromDatabase")
    owner.drop_database("shop")
