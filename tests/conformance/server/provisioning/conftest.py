"""A server for tests of provisioning, an empty database, and one in the state of the model."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer
from conformance.model.collection import Model
from conformance.server.provision import apply, plan
from tests.conformance.server.provisioning.deviations import Documents


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("provision")
    with EmbeddedServer(folder, cache_gb=0.25) as server, MongoClient(server.uri) as client:
        yield client


@pytest.fixture
def empty(client: MongoClient[dict[str, Any]]) -> Iterator[Documents]:
    name = f"provision_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def database(empty: Documents, model: Model) -> Documents:
    """A database in the state of the model."""
    apply(plan(model, empty), empty)
    return empty
