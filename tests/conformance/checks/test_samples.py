"""Samples need few queries: a baseline reads thousands of them, which must not cause one scan each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from conformance.checks.base import Document
from conformance.model.collection import Model
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from tests.validation import configuration_for, context_for

pytestmark = pytest.mark.server

#: Violations of each rule, and queries that so many more samples may add: one for each thousand keys, and cursors.
MANY, ALLOWED = 1200, 6


class Counter(CommandListener):
    """Count the commands that read."""

    def __init__(self) -> None:
        self.number = 0

    def started(self, event: CommandStartedEvent) -> None:
        """Count one."""
        self.number += event.command_name in ("find", "aggregate", "count", "distinct")

    def succeeded(self, event: Any) -> None:
        """Nothing to do."""

    def failed(self, event: Any) -> None:
        """Nothing to do."""


@pytest.fixture
def counter(database: Any) -> Iterator[tuple[Counter, MongoClient[Document]]]:
    """A counting client of the same server, and a database in which every document is invalid in many ways."""
    pairs = [(number, f"dup{number // 2}", f"none{number}") for number in range(MANY)]
    wrong = {"total": 1.0, "subtotal": 3.0, "discount_total": 0, "tax": 0, "item_count": 9}
    made = {
        "orders": [
            {"_id": n, "order_id": twin, "customer_id": none, "store_id": none, **wrong} for n, twin, none in pairs
        ],
        "order_items": [{"_id": n, "order_id": none, "product_id": none} for n, _, none in pairs],
        "customers": [{"_id": n, "customer_id": twin, "email": f"{twin}@x.y"} for n, twin, _ in pairs],
        "inventory": [{"_id": n, "store_id": twin, "product_id": "p"} for n, twin, _ in pairs],
    }
    for name, documents in made.items():
        database[name].insert_many(documents)
    counting = Counter()
    host, port = database.client.address
    with MongoClient[Document](host, port, directConnection=True, event_listeners=[counting]) as client:
        yield counting, client


@pytest.mark.parametrize("family", ["references", "uniqueness", "totals", "snapshots", "documents", "business"])
def test_queries_of_a_family_do_not_grow_with_the_samples(
    family: str, model: Model, database: Any, counter: tuple[Counter, MongoClient[Document]]
) -> None:
    counting, client = counter
    rules = [rule for rule in all_rules(model, configuration_for(model)) if rule.family == family]
    if family == "documents":  # its samples are many, and are found in the same way for each collection
        rules = [rule for rule in rules if rule.collection == "customers"]
    asked, sampled = [], []
    for size in (5, MANY):
        counting.number = 0
        context = replace(context_for(model, client[database.name]), sample_size=size)
        with Run(rules, context) as run:
            results = run.results()
        asked.append(counting.number)
        sampled.append(sum(len(result.samples) for result in results))
    assert sampled[1] > 2 * sampled[0] or family in ("totals", "snapshots")
    assert asked[1] - asked[0] <= ALLOWED * len(rules) / 2
