"""The rule on unsynced documents: counted exactly, oldest first, whatever fields the connector gives them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from bson import ObjectId, Timestamp
from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.checks.base import Document
from conformance.ditto.connector import UNSYNCED_COLLECTION
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.ditto.sync.unsynced_documents import ABSENT, UnreadableError, rules, unsynced_documents
from tests.validation import context_for, run_rules

RULE = "sync._database.unsynced_documents"


def day(number: int) -> dt.datetime:
    return dt.datetime(2026, 11, number, tzinfo=dt.UTC)


def outcome(model: Model, database: Database[Document], *documents: Document) -> Outcome:
    if documents:
        database[UNSYNCED_COLLECTION].insert_many([dict(document) for document in documents])
    return run_rules(rules(), context_for(model, database))[RULE]


def test_missing_collection_has_no_unsynced_document(model: Model, database: Database[Document]) -> None:
    assert outcome(model, database) == Outcome(1, evidence={"found": ABSENT})


def test_empty_collection_passes(model: Model, database: Database[Document]) -> None:
    database.create_collection(UNSYNCED_COLLECTION)
    assert outcome(model, database) == Outcome(1)


def test_documents_are_counted_by_collection_and_reason(model: Model, database: Database[Document]) -> None:
    late = [{"_id": n, "collection": "orders", "reason": "null", "timestamp": day(9)} for n in range(30)]
    early = {"_id": "e", "collection": "stores", "documentId": "store_seattle", "reason": "size", "timestamp": day(2)}
    timeless = {"_id": "t", "collection": "orders", "reason": "null"}
    found = outcome(model, database, timeless, *late, early)
    assert (found.examined, found.violations) == (32, 32)
    assert [(sample.id, sample.why) for sample in found.samples[:2]] == [
        ("e", 'stores "store_seattle": "size", since 2026-11-02T00:00:00Z'),
        (0, 'orders: "null", since 2026-11-09T00:00:00Z'),
    ]
    assert found.evidence == {
        "by_collection": {"orders": 31, "stores": 1},
        "by_reason": [
            {"collection": "orders", "reason": "null", "documents": 31, "oldest": "2026-11-09T00:00:00Z"},
            {"collection": "stores", "reason": "size", "documents": 1, "oldest": "2026-11-02T00:00:00Z"},
        ],
        "oldest": "2026-11-02T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, 'unknown: "unknown"'),
        ({"ns": {"coll": "orders"}, "error": {"errmsg": "refused"}}, 'orders: "refused"'),
        ({"collectionName": "orders", "errorMessage": "x", "docId": {"a": 1}}, 'orders {"a": 1}: "x"'),
        ({"collection": 5, "coll": "stores", "error": "x"}, 'stores: "x"'),
        ({"namespace": "shop.orders", "message": "x", "createdAt": "2026-11-01"}, "since 2026-11-01T00:00:00Z"),
        ({"coll": "stores", "reason": "x", "time": "yesterday"}, 'stores: "x"'),
        ({"coll": "stores", "reason": "x", "timestamp": Timestamp(1_800_000_000, 1)}, "since 2027-01-15T08:00:00Z"),
        ({"_id": ObjectId("692a3f000000000000000000")}, "since 2025-11-29T00:32:00Z"),
    ],
)
def test_fields_of_any_form_are_read(
    document: dict[str, Any], why: str, model: Model, database: Database[Document]
) -> None:
    found = outcome(model, database, {"_id": "x", **document})
    assert found.violations == 1
    assert found.samples[0].why.endswith(why)


def test_distinct_reasons_are_bounded(model: Model, database: Database[Document]) -> None:
    found = outcome(model, database, *[{"collection": "orders", "reason": f"document {n}"} for n in range(300)])
    assert (found.violations, len(found.samples), len(found.evidence["by_reason"])) == (300, 5, 20)


def test_missing_privilege_is_reported() -> None:
    class Guarded(dict[str, Any]):
        def list_collection_names(self) -> list[str]:
            return [UNSYNCED_COLLECTION]

        def count_documents(self, _: object) -> int:
            raise OperationFailure("not authorized", 13)

        def __getitem__(self, _: str) -> Any:
            return self

    guarded: Any = Guarded()
    with pytest.raises(UnreadableError, match=f"may not read {UNSYNCED_COLLECTION}; grant find on it"):
        unsynced_documents(guarded, 5)
