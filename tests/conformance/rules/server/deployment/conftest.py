"""A server for tests of the deployment, a provisioned database, and a scratch database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer
from conformance.model.collection import Model
from tests.conformance.rules.server.deployment.rules import Documents, provision


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("rules")
    with EmbeddedServer(folder, cache_gb=0.25) as server, MongoClient(server.uri) as client:
        yield client


@pytest.fixture
def database(client: MongoClient[dict[str, Any]], model: Model) -> Documents:
    """A database in the state of the model, with one document in each collection; each test starts repaired."""
    provision(client.rules, model)
    return client.rules


@pytest.fixture
def scratch(client: MongoClient[dict[str, Any]]) -> Iterator[Documents]:
    name = f"scratch_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)
