"""Scans of a collection: many suspect documents, several scans together, and parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pymongo.database import Database

from conformance.checks.base import Rule
from conformance.checks.document_scan import DocumentTest, screen
from conformance.checks.key_range import Partition
from conformance.model.collection import Model
from conformance.results import Outcome
from tests.validation import context_for

Document = dict[str, Any]


# -- many tests, few scans --------------------------------------------------------------------------------------------


def scanned(
    model: Model, database: Database[Document], *tests: DocumentTest, partition: Partition | None = None
) -> list[Outcome]:
    """Return the outcomes of all tests for the orders in one pass."""
    asked = [Rule(f"crdt.orders.{number}", f"Rule {number}", test) for number, test in enumerate(tests)]
    outcomes = screen(replace(context_for(model, database), partition=partition), asked)
    return [outcomes[rule.id] for rule in asked]


def odd(screen: Mapping[str, Any], **more: Any) -> list[DocumentTest]:
    """Return a test that n is even among the documents that match the scan: by a query, and by Python."""
    query = {**screen, "$expr": {"$mod": ["$n", 2]}}
    return [
        DocumentTest("orders", dict(screen), lambda one: f"n is {one['n']}", violating=query, **more),
        DocumentTest("orders", dict(screen), lambda one: f"n is {one['n']}" if one["n"] % 2 else None, **more),
    ]


def test_thousands_of_suspect_documents_are_all_examined(model: Model, database: Database[Document]) -> None:
    """They are not selected by _id; only the first ones are shown."""
    database["orders"].insert_many({"_id": n, "n": n} for n in reversed(range(3_000)))
    for outcome in scanned(model, database, *odd({"n": {"$gte": 0}})):
        assert (outcome.examined, outcome.violations) == (3_000, 1_500)
        assert [(one.id, one.why) for one in outcome.samples] == [(n, f"n is {n}") for n in (1, 3, 5, 7, 9)]


def test_several_scans_find_their_own_documents(model: Model, database: Database[Document]) -> None:
    database["orders"].insert_many({"_id": n, "n": n, "late": n > 3} for n in range(9))
    outcomes = scanned(model, database, *odd({"late": True}), *odd({"late": False}), *odd({"n": {"$gt": 1}}))
    assert [(outcome.examined, outcome.violations) for outcome in outcomes] == [(9, 2)] * 4 + [(9, 3)] * 2
    assert [[one.id for one in outcome.samples] for outcome in outcomes[::2]] == [[5, 7], [1, 3], [3, 5, 7]]


@pytest.mark.parametrize(
    ("number", "part", "violations", "first"),
    [(10, 1, 2, 1), (10, 2, 3, 5), (3_000, 1, 750, 1), (3_000, 2, 750, 1_501)],
)
def test_part_examines_its_own_documents(
    number: int, part: int, violations: int, first: int, model: Model, database: Database[Document]
) -> None:
    """Few or many suspect documents of the other part are ignored."""
    database["orders"].insert_many({"_id": n, "n": n} for n in range(number))
    for outcome in scanned(model, database, *odd({"n": {"$gte": 0}}), partition=Partition(part, 2)):
        assert (outcome.examined, outcome.violations) == (number // 2, violations)
        assert outcome.samples[0].id == first


def test_part_without_documents_is_skipped(model: Model, database: Database[Document]) -> None:
    database["orders"].insert_one({"_id": 1, "n": 1})
    for outcome in scanned(model, database, *odd({"n": 1}), partition=Partition(2, 2)):
        assert outcome.skipped == "no document of orders is in this part"


def test_scan_without_its_field_does_not_affect_others(model: Model, database: Database[Document]) -> None:
    database["orders"].insert_one({"_id": 1, "n": 1})
    lacking, *rest = scanned(
        model,
        database,
        *odd({"n": 2}, guards=({"$gt": ["$tip", None]},), needs="tip")[:1],
        *odd({"n": 1}, guards=({"$gt": ["$n", None]},), needs="n"),
    )
    assert lacking.skipped == "no document of orders has tip"
    assert [(outcome.examined, outcome.violations) for outcome in rest] == [(1, 1)] * 2
