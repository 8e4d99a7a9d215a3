"""What single rules say of documents that were made for them; a fixture of the files that ask."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.catalogue import all_rules
from tests.judging import context_for, judge


class Finding:
    """What a rule says of a database that holds just these documents: ``found(rule_id, orders=[…])``."""

    def __init__(self, model: Model, database: Database[Document]) -> None:
        self._context = context_for(model, database)
        self._rules = {rule.id: rule for rule in all_rules(model, self._context.configuration)}
        self._filled: set[str] = set()

    def __call__(self, rule: str, **documents: Sequence[Document]) -> Outcome:
        """The outcome; what an earlier call put into the database is gone."""
        for name in self._filled:
            self._context.database[name].delete_many({})
        self._filled = set(documents)
        for name, some in documents.items():
            self._context.database[name].insert_many(some)
        return judge([self._rules[rule]], replace(self._context))[rule]  # a copy has counted nothing yet


@pytest.fixture(scope="module")
def found(model: Model, server: MongoClient[Document]) -> Iterator[Finding]:
    """By the project's own model, in one database for a file's tests: making collections takes longer than they do."""
    database = server[f"finding_{uuid.uuid4().hex[:12]}"]
    yield Finding(model, database)
    server.drop_database(database.name)
