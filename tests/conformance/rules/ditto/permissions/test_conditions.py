"""Conditions of permissions: unknown names, grants that are missing, and rules compared on possible documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from conformance.checks.users import access
from conformance.ditto.permissions import PERMISSIONS_FILE
from conformance.results import Outcome
from tests.conformance.rules.ditto.permissions.fixtures import documents, filled, folder, verdict
from tests.validation import failed

__all__ = ["filled", "folder", "verdict"]


Verdict = Callable[..., dict[str, Outcome]]


def test_unknown_names_in_conditions_are_reported(verdict: Verdict, filled: Database[Any], folder: Path) -> None:
    path = folder / "config" / PERMISSIONS_FILE
    text = path.read_text(encoding="utf-8")
    wrong = '"condition": "first = 1 AND deleted = 7 AND second = $user.name AND store_id = $user.name"'
    path.write_text(text.replace('"condition": "store_id = $user.store_id"', wrong, 1), encoding="utf-8")
    assert [sample.why for sample in verdict(filled)["permissions._config.names"].samples] == [
        "inventory has no field 'first'",
        "deleted can never be 7; the schema rejects it",
        "inventory has no field 'second'",
        "users have no attribute 'name'; it is not in users.attributes",
    ]


#: A condition of the orders' rule, and the expected message about reading; None if it selects only the store's own
#: orders.
PRINCIPLE = [
    ("store_id IN ($user.store_id)", None),
    ("store_id = $user.store_id AND status IN ('pending', 'completed', 'cancelled')", None),
    ("store_id = $user.store_id AND (deleted = true OR deleted != true)", None),
    ("store_id = $user.store_id AND customer_id != 'nobody'", None),
    ("store_id = $user.store_id AND (store_id != 'store_9' OR deleted = false OR deleted = true)", None),
    ("store_id = $user.store_id OR status = 'pending' AND total = 20",
     'for a document with store_id "store_0~", status "pending", total 20, a user with store_id "store_0" may'
     " read it but should not"),
    ("store_id = $user.store_id OR store_id = 'store_9'",
     'for a document with store_id "store_9", a user with store_id "store_0" may read it but should not'),
    ("store_id = $user.store_id AND store_id != 'store_9'",
     'for a document with store_id "store_9", a user with store_id "store_9" may not read it but should'),
    ("store_id = $user.store_id AND (customer_email = 'x@example.com' OR customer_email != 'x@example.com')",
     'for a document with store_id "store_0", no customer_email, a user with store_id "store_0" may not read it'
     " but should"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "message"), PRINCIPLE, ids=[row[0] for row in PRINCIPLE])
def test_rule_is_compared_on_possible_documents(
    verdict: Verdict, database: Database[Any], folder: Path, condition: str, message: str | None
) -> None:
    """The existing orders show no difference."""
    for name, made in documents().items():
        if name == "orders":
            more = {"status": "completed", "deleted": False, "customer_email": "a@b.c", "customer_id": "cust_a"}
            made = [{**one, **more} for one in made]
        database[name].insert_many(made)
    path = folder / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rules"][1]["condition"] = condition
    path.write_text(json.dumps(content), encoding="utf-8")
    outcome = verdict(database)["permissions.orders.read"]
    where = f"config/{PERMISSIONS_FILE}: rules[1]"
    assert [(sample.ref, sample.why) for sample in outcome.samples] == ([(where, message)] if message else [])
    assert (outcome.violations, outcome.examined) == (message is not None, 6)
    assert outcome.evidence == {"users": 3, "documents of each": "1 to 3"}


def test_missing_grant_is_reported_for_future_documents(
    verdict: Verdict, database: Database[Any], folder: Path
) -> None:
    """The only order is of a missing store: no user lacks it now, but every user will lack the next one."""
    for name, made in documents().items():
        database[name].insert_many([{"store_id": "store_9", "deleted": False}] if name == "orders" else made)
    path = folder / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rules"][1]["operations"] = ["write"]
    path.write_text(json.dumps(content), encoding="utf-8")
    (sample,) = verdict(database)["permissions.orders.read"].samples
    assert sample.ref == f"config/{PERMISSIONS_FILE}: rules"
    assert sample.why == (
        'for a document with store_id "store_0", a user with store_id "store_0" may not read it but should'
    )


def test_filters_that_differ_from_the_grouping_are_reported(
    verdict: Verdict, filled: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of a user's documents comes from a grouping that does not use the filters."""
    required = access.Access._required

    def one_more(self: access.Access, user: Any) -> Any:
        found = required(self, user)
        return replace(found, number=found.number + 1)

    monkeypatch.setattr(access.Access, "_required", one_more)
    outcome = verdict(filled)["permissions.orders.read"]
    assert outcome.violations == 1
    assert outcome.samples[0].ref == "orders"


def test_documents_written_between_two_queries_are_not_reported(
    verdict: Verdict, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If they differ, both queries run again in one snapshot."""
    for name, made in documents().items():
        database[name].insert_many(made)
    count = access.Access._count

    def written(self: access.Access, condition: Any) -> int:
        for name in ("orders", "products"):
            database[name].insert_one({"_id": ObjectId(), "store_id": "store_0", "deleted": False})
        return count(self, condition)

    monkeypatch.setattr(access.Access, "_count", written)
    outcomes = verdict(database)
    assert failed(outcomes) == set()
    assert outcomes["permissions.orders.read"].evidence["users"] == 3


def test_equal_counts_of_other_documents_are_reported(verdict: Verdict, database: Database[Any], folder: Path) -> None:
    """Two stores have one order each, and each sees the other's."""
    for name, made in documents().items():
        database[name].insert_many(made[:2] if name == "stores" else made)
    database["orders"].delete_many({})
    database["orders"].insert_many([{"_id": n, "store_id": f"store_{n}", "deleted": False} for n in range(2)])
    path = folder / "config" / PERMISSIONS_FILE
    path.write_text(
        path.read_text(encoding="utf-8").replace('"store_id = $user', '"store_id != $user'), encoding="utf-8"
    )
    outcome = verdict(database)["permissions.orders.read"]
    assert (outcome.violations, outcome.evidence["documents of each"]) == (2, "1 to 1")


def test_document_is_reported_once_with_the_number_of_users(
    verdict: Verdict, filled: Database[Any], folder: Path
) -> None:
    path = folder / "config" / PERMISSIONS_FILE
    text = path.read_text(encoding="utf-8").replace('"condition": "store_id = $user.store_id"', '"condition": "true"')
    path.write_text(text, encoding="utf-8")
    outcome = verdict(filled, sample_size=50)["permissions.orders.read"]
    assert outcome.violations == len({sample.id for sample in outcome.samples}) == len(outcome.samples) == 6
    assert {sample.why for sample in outcome.samples} == {
        "store_0 may read the document but should not; the same applies to 2 users in total",
        "store_1 may read the document but should not; the same applies to 2 users in total",
    }


@pytest.mark.parametrize(
    ("empty", "reason"),
    [
        ("orders", "orders is empty"),
        ("stores", "no live document of stores defines a user with a unique id and all attributes"),
    ],
)
def test_rule_without_documents_is_skipped(verdict: Verdict, database: Database[Any], empty: str, reason: str) -> None:
    for name, made in documents().items():
        if name != empty:
            database[name].insert_many(made)
    outcomes = verdict(database)
    for subject in ("read", "write", "update", "delete", "subscriptions"):
        assert outcomes[f"permissions.orders.{subject}"].skipped == reason
