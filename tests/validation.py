"""Run rules in tests of single families: a server, a separate database, and the outcomes by rule id."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from functools import cache

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context, Document, Rule
from conformance.config.configuration import Configuration
from conformance.config.loading import load_configuration
from conformance.config.settings import Settings
from conformance.embedded.server import EmbeddedServer
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.run.session import Project, load_project
from tests.models import shipped_model
from tests.root import ROOT


@cache
def shipped_project() -> Project:
    """Return the project's own model with its configuration and settings, read once in a process."""
    return load_project(ROOT)


@pytest.fixture(scope="session")
def model() -> Model:
    """The project's own model."""
    return shipped_model()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[Document]]:
    """The server of ZAVA_TEST_URI, else a new one that is as small as possible."""
    uri = os.environ.get("ZAVA_TEST_URI")
    if uri:
        with MongoClient(uri) as client:
            yield client
        return
    directory = tmp_path_factory.mktemp("validation")
    with EmbeddedServer(directory, cache_gb=0.25) as embedded, MongoClient(embedded.uri) as client:
        yield client


@pytest.fixture
def database(server: MongoClient[Document]) -> Iterator[Database[Document]]:
    """An empty database, dropped after the test."""
    name = f"validation_{uuid.uuid4().hex[:12]}"
    yield server[name]
    server.drop_database(name)


def configuration_for(model: Model) -> Configuration:
    """The model's own configuration, under the default settings; that of the shipped model is read once."""
    return shipped_configuration() if model is shipped_model() else load_configuration(model, Settings().constants())


@cache
def shipped_configuration() -> Configuration:
    """Return the project's own configuration under the default settings, read once in a process."""
    return load_configuration(shipped_model(), Settings().constants())


def context_for(model: Model, database: Database[Document]) -> Context:
    """Return the context that rules need to validate the database."""
    return Context(model, configuration_for(model), Settings(), database, embedded=True, scratch=None)


def run_rules(rules: Iterable[Rule], context: Context) -> dict[str, Outcome]:
    """Return every rule's outcome; rules of one group run together, as in the runner."""
    groups: dict[object, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(rule.group, []).append(rule)
    outcomes: dict[str, Outcome] = {}
    for group in groups.values():
        outcomes |= group[0].check(context, group)
    return outcomes


def failed(outcomes: dict[str, Outcome]) -> set[str]:
    """Return the ids of the failed rules."""
    return {name for name, outcome in outcomes.items() if outcome.violations}
