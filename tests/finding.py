"""What single rules say of documents that were made for them; a fixture of the files that ask."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.model import Model
from conformance.results import Outcome
from conformance.rules.base import Document
from conformance.rules.catalogue import all_rules
from tests.judging import configuration_for, context_for, judge


class Finding:
    """What a rule says of a database that holds just these documents: ``found(rule_id, orders=[…])``."""

    def __init__(self, model: Model, database: Database[Document]) -> None:
        self._model = model
        self._database = database
        self._rules = {rule.id: rule for rule in all_rules(model, configuration_for(model))}

    def __call__(self, rule: str, **documents: Sequence[Document]) -> Outcome:
        """The outcome; what an earlier call put into the database is gone."""
        for collection in self._model:
            self._database[collection.name].delete_many({})
        for name, some in documents.items():
            self._database[name].insert_many(some)
        return judge([self._rules[rule]], context_for(self._model, self._database))[rule]


@pytest.fixture(scope="module")
def found(model: Model, server: MongoClient[Document]) -> Iterator[Finding]:
    """By the project's own model, in one database for a file's tests: making collections takes longer than they do."""
    database = server[f"finding_{uuid.uuid4().hex[:12]}"]
    yield Finding(model, database)
    server.drop_database(database.name)
