"""Users of permissions: their definition, and deleted ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from conformance.ditto.permissions import PERMISSIONS_FILE
from conformance.results import Outcome
from tests.conformance.rules.ditto.permissions.fixtures import documents, filled, folder, verdict
from tests.validation import failed

__all__ = ["filled", "folder", "verdict"]


Verdict = Callable[..., dict[str, Outcome]]


def test_user_has_every_attribute_that_a_rule_compares(verdict: Verdict, filled: Database[Any], folder: Path) -> None:
    """The field that a rule compares may be another one than the model refers to."""
    path = folder / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["users"]["attributes"] = ["store_id", "_id"]
    content["rules"][1]["condition"] = "store_id = $user._id"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert failed(verdict(filled)) == set()


@pytest.mark.parametrize("state", [{"deleted": True}, {"rls_user_id": "nobody"}])
def test_definition_of_users_without_a_user_fails(
    verdict: Verdict, database: Database[Any], state: dict[str, Any]
) -> None:
    """All stores are deleted; without any store the rule is skipped."""
    for name, made in documents().items():
        if name != "stores":
            database[name].insert_many(made)
    assert verdict(database)["permissions._config.users"].violations == 0
    database["stores"].insert_many({**one, **state} for one in documents()["stores"])
    outcomes = verdict(database)
    assert failed(outcomes) == {"permissions._config.users"}
    (sample,) = outcomes["permissions._config.users"].samples
    assert (
        sample.why
        == "no live document of stores defines a user with a unique id and all attributes, so no user has permissions"
    )
    assert sample.ref == f"config/{PERMISSIONS_FILE}: users.collection"


@pytest.mark.parametrize("broken", [None, ""])
def test_empty_id_does_not_define_a_user(verdict: Verdict, database: Database[Any], broken: Any) -> None:
    """The same applies to a document without an id."""
    for name, made in documents().items():
        if name == "stores":
            made[0]["rls_user_id"] = broken
        database[name].insert_many(made)
    outcomes = verdict(database)
    assert failed(outcomes) == set()
    assert outcomes["permissions.orders.read"].evidence["users"] == 2


def test_deleted_store_has_no_user(verdict: Verdict, database: Database[Any]) -> None:
    for name, made in documents().items():
        if name == "stores":
            made[2]["deleted"] = True
        database[name].insert_many(made)
    outcomes = verdict(database)
    assert failed(outcomes) == set()
    assert outcomes["permissions.orders.read"].evidence == {"users": 2, "documents of each": "1 to 2"}
