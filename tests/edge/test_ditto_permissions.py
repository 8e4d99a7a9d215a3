"""Permissions: the file, its users, and what they may do."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ditto.permissions import (
    OPERATIONS,
    PERMISSIONS_FILE,
    Grant,
    Operation,
    Permissions,
    User,
    allowed,
    known_users,
    load_permissions,
    user_of,
)
from conformance.errors import ConfigurationError
from conformance.language.conditions.condition import Always, Comparison, Some
from conformance.language.conditions.translation import to_mongo
from conformance.model.collection import Model
from tests.edge.store_users import MAY, NIL, OWN, SEATTLE, STORES, TACOMA, permissions, store
from tests.profiles import examples
from tests.validation import ROOT

__all__ = ["permissions"]


SHIPPED = (ROOT / "config" / PERMISSIONS_FILE).read_text(encoding="utf-8")


# -- the file ----------------------------------------------------------------------------------------------------------


def test_shipped_file_equals_the_architecture(permissions: Permissions) -> None:
    """The exception is the subquery, which items with their own store replace."""
    assert [(rule.collection, rule.operations, rule.condition) for rule in permissions.rules] == [
        ("inventory", ("read", "update"), "store_id = $user.store_id"),
        ("orders", ("read", "write"), "store_id = $user.store_id"),
        ("order_items", ("read", "write"), "store_id = $user.store_id"),
        ("products", ("read",), "deleted = false"),
        ("customers", ("read", "write"), "primary_store_id = $user.store_id"),
    ]
    assert permissions.super_manager_id == NIL
    assert {rule.enforced_by for rule in permissions.rules} == {"subscriptions"}


def edited(change: Callable[[Any], object]) -> str:
    """Return the shipped file with a change, with one entry per line as before."""
    content = json.loads(SHIPPED)
    change(content)
    return json.dumps(content, indent=2)


#: An edit that makes a file invalid, and the expected line and words.
WRONG: list[tuple[str, Callable[[Any], object], str]] = [
    ("subquery", lambda c: c["rules"][2].update(condition="order_id IN (SELECT order_id FROM orders)"), "at rules.2.condition: DQL has no subquery (IN (SELECT ...))"),
    ("half a condition", lambda c: c["rules"][0].update(condition="store_id ="), "at rules.0.condition: found the end; expected a value"),
    ("an app's parameter", lambda c: c["rules"][0].update(condition="store_id = :id"), "at rules.0.condition: a permission has no parameter :id; write a value or $user.<attribute>"),
    ("no such operation", lambda c: c["rules"][1].update(operations=["erase"]), "at rules.1.operations.0: there is no such value; write one of read, write, update, delete (found 'erase')"),
    ("operation twice", lambda c: c["rules"][1].update(operations=["read", "read"]), "at rules.1.operations: an operation occurs twice"),
    ("no operation", lambda c: c["rules"][1].update(operations=[]), "at rules.1.operations"),
    ("no condition", lambda c: c["rules"][1].pop("condition"), "at rules.1.condition: the key is missing"),
    ("another enforcer", lambda c: c["rules"][1].update(enforced_by="luck"), "at rules.1.enforced_by: there is no such value; write one of ditto, subscriptions (found 'luck')"),
    ("no reason", lambda c: c["rules"][1].pop("reason"), "at rules.1: enforced_by subscriptions needs a reason"),
    ("a poor reason", lambda c: c["rules"][1].update(reason="because"), "at rules.1.reason"),
    ("unknown key", lambda c: c["rules"][1].update(filter="x"), "at rules.1.filter: there is no such key"),
    ("some permissions", lambda c: c["super_manager"].update(permissions="some"), 'at super_manager: write {"rls_user_id": "<the user\'s id>", "permissions": "all"}'),
    ("another id field", lambda c: c.update(super_manager={"user": "x", "permissions": "all"}), 'at super_manager: write {"rls_user_id"'),
    ("empty super manager", lambda c: c["super_manager"].update(rls_user_id=" "), "at super_manager: the id is empty"),
    ("no super manager", lambda c: c.pop("super_manager"), "at super_manager: the key is missing"),
    ("no attributes", lambda c: c["users"].update(attributes=[]), "at users.attributes"),
    ("a list of one text", lambda c: c["users"].update(attributes="store_id"), "at users.attributes"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_invalid_file_is_one_error(tmp_path: Path, change: Callable[[Any], object], message: str) -> None:
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / PERMISSIONS_FILE
    path.write_text(edited(change), encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_permissions(Model(tmp_path, {}))
    line = str(raised.value)
    assert message in line
    assert line.startswith(f"{path}:")
    assert int(line.removeprefix(f"{path}:").split(":")[0]) >= 1
    assert "\n" not in line


# -- who is known ------------------------------------------------------------------------------------------------------


#: Ids that belong to no user of the stores above.
STRANGE = [
    None, "", " ", "nobody", 0, 1, True, 3.5, b"x", [], [SEATTLE], {}, {"$ne": None}, {"$gt": ""}, SEATTLE + " ",
    " " + SEATTLE, SEATTLE + "\n", SEATTLE[:-1], SEATTLE.upper(), SEATTLE.replace("-", ""), f"{{{SEATTLE}}}",
    "11111111-1111-4111-8111-111111111111", NIL + " ", NIL.replace("-", ""), "store_seattle",
]  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE, ids=repr)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_stranger_may_do_nothing(model: Model, permissions: Permissions, strange: Any, operation: Operation) -> None:
    user = user_of(permissions, model, STORES, strange)
    assert user is None
    assert {allowed(permissions, collection, user, operation) for collection in model} == {Always(False)}


@examples(100)
@given(strange=st.none() | st.text() | st.uuids().map(str) | st.integers() | st.dictionaries(st.text(), st.text()))
def test_unknown_id_is_not_a_user(model: Model, permissions: Permissions, strange: Any) -> None:
    assert user_of(permissions, model, STORES, strange) is None


#: Documents that leave the id of Seattle's user without a user.
UNSURE = {
    "no documents": [],
    "two documents": [*STORES, store("store_online", SEATTLE)],
    "a deleted document": [store("store_seattle", SEATTLE, deleted=True)],
    "a deleted document beside it": [*STORES, store("store_online", SEATTLE, deleted=True)],
    "no flag": [{"_id": "store_seattle", "store_id": "store_seattle", "rls_user_id": SEATTLE}],
    "a flag that is none": [store("store_seattle", SEATTLE, deleted=None)],
    "no attribute": [{"_id": "store_seattle", "rls_user_id": SEATTLE, "deleted": False}],
    "an attribute of another type": [store("store_seattle", SEATTLE, store_id=5)],
    "an attribute that is an operator": [store("store_seattle", SEATTLE, store_id={"$ne": ""})],
    "the id in a list": [store("store_seattle", [SEATTLE])],
}


@pytest.mark.parametrize("documents", UNSURE.values(), ids=UNSURE)
def test_ambiguous_id_is_not_a_user(model: Model, permissions: Permissions, documents: list[dict[str, Any]]) -> None:
    assert user_of(permissions, model, documents, SEATTLE) is None


def test_absent_id_does_not_match_a_document_without_an_id(model: Model, permissions: Permissions) -> None:
    """A filter {id: None} would match it."""
    assert user_of(permissions, model, [store("store_seattle", None), {"_id": 1, "deleted": False}], None) is None


def test_known_ids_are_users(model: Model, permissions: Permissions) -> None:
    assert user_of(permissions, model, STORES, TACOMA) == User(TACOMA, {"store_id": "store_tacoma"})
    assert known_users(permissions, model, [*STORES, store("store_online", NIL), store("store_x", "?")]) == [
        User(SEATTLE, {"store_id": "store_seattle"}),
        User(TACOMA, {"store_id": "store_tacoma"}),
    ]
    assert user_of(permissions, model, [], NIL) == User(NIL, super_manager=True)


@pytest.mark.parametrize("name", MAY)
def test_user_of_a_store_has_the_configured_permissions(model: Model, permissions: Permissions, name: str) -> None:
    user = user_of(permissions, model, STORES, TACOMA)
    assert tuple(allowed(permissions, model[name], user, operation) for operation in OPERATIONS) == MAY[name]


@pytest.mark.parametrize("name", MAY)
def test_super_manager_may_do_everything_that_syncs(model: Model, permissions: Permissions, name: str) -> None:
    """The permission covers everything that syncs."""
    user = user_of(permissions, model, STORES, NIL)
    may = {allowed(permissions, model[name], user, operation) for operation in OPERATIONS}
    assert may == {Always(name != "product_embeddings")}


def test_two_rules_of_a_collection_are_combined(model: Model, permissions: Permissions) -> None:
    pending = Grant(collection="orders", operations=("read",), condition="status = 'pending'")
    more = permissions.model_copy(update={"rules": (*permissions.rules, pending)})
    user = user_of(permissions, model, STORES, TACOMA)
    read = allowed(more, model["orders"], user, "read")
    assert read == Some((OWN, Comparison("status", "=", "pending")))
    assert to_mongo(read) == {"$or": [{"store_id": "store_tacoma"}, {"status": "pending"}]}
    assert allowed(more, model["orders"], user, "write") == OWN
