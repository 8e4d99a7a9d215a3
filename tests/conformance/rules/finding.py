"""Outcomes of single rules on constructed documents; a fixture of the files that use it."""

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
from tests.validation import context_for, run_rules


class Finding:
    """Outcome of a rule on a database with exactly these documents: ``found(rule_id, orders=[…])``."""

    def __init__(self, model: Model, database: Database[Document]) -> None:
        self._context = context_for(model, database)
        self._rules = {rule.id: rule for rule in all_rules(model, self._context.configuration)}
        self._filled: set[str] = set()

    def __call__(self, rule: str, **documents: Sequence[Document]) -> Outcome:
        """Return the outcome; documents of an earlier call are removed."""
        return self.of([rule], **documents)[rule]

    def of(self, rules: Sequence[str], **documents: Sequence[Document]) -> dict[str, Outcome]:
        """Return the outcomes of several rules on the same documents."""
        for name in self._filled:
            self._context.database[name].delete_many({})
        self._filled = set(documents)
        for name, some in documents.items():
            self._context.database[name].insert_many(some)
        return run_rules(
            [self._rules[rule] for rule in rules], replace(self._context)
        )  # a copy has counted nothing yet


@pytest.fixture(scope="module")
def found(model: Model, server: MongoClient[Document]) -> Iterator[Finding]:
    """Use the project's model and one database per file: creating collections takes longer than the tests."""
    database = server[f"finding_{uuid.uuid4().hex[:12]}"]
    yield Finding(model, database)
    server.drop_database(database.name)
