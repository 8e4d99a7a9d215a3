"""The permissions file: users, their permissions, and Ditto's own format."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ditto.connector import load_connector
from conformance.ditto.permissions import (
    OPERATIONS,
    PERMISSIONS_FILE,
    Grant,
    Operation,
    Permissions,
    User,
    allowed,
    beyond_ditto,
    in_ditto_id,
    indistinct,
    known_users,
    load_permissions,
    user_of,
)
from conformance.errors import ConfigurationError
from conformance.language.conditions.condition import Always, Comparison, Some
from conformance.language.conditions.translation import to_mongo
from conformance.model.collection import IdMapping, Model
from edge.ditto_permissions import compiled, subscription
from tests.profiles import examples
from tests.validation import ROOT, shipped_model

SHIPPED = (ROOT / "config" / PERMISSIONS_FILE).read_text(encoding="utf-8")
SEATTLE, TACOMA = "6b9c1e6e-95a4-4f0e-8d5c-0f2f1c0a7d11", "b0c1d2e3-f4a5-4b6c-9d7e-8f9a0b1c2d3e"
NIL = "00000000-0000-0000-0000-000000000000"


def store(name: str, user: Any, **more: Any) -> dict[str, Any]:
    """Return a document of the users' collection."""
    return {"_id": name, "store_id": name, "rls_user_id": user, "deleted": False, **more}


STORES = [store("store_seattle", SEATTLE), store("store_tacoma", TACOMA)]


@pytest.fixture(scope="module")
def permissions() -> Permissions:
    """The shipped permissions."""
    return load_permissions(shipped_model())


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


# -- what they may do --------------------------------------------------------------------------------------------------

OWN = Comparison("store_id", "=", "store_tacoma")
#: By collection, the documents that Tacoma's user may read, create, change and delete.
MAY = {
    "inventory": (OWN, Always(False), OWN, Always(False)),
    "orders": (OWN, OWN, OWN, Always(False)),
    "order_items": (OWN, OWN, OWN, Always(False)),
    "customers": (*[Comparison("primary_store_id", "=", "store_tacoma")] * 3, Always(False)),
    "products": (Comparison("deleted", "=", False), *[Always(False)] * 3),
    "stores": (Always(True), *[Always(False)] * 3),
    "categories": (Always(True), *[Always(False)] * 3),
    "product_types": (Always(True), *[Always(False)] * 3),
    "product_embeddings": (Always(False),) * 4,
}


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


# -- Ditto's own format ------------------------------------------------------------------------------------------------

SCOPED = IdMapping("multiple_fields", ("store_id", "order_id"))


@pytest.mark.parametrize(
    ("mapping", "held"),
    [
        (IdMapping("match_ids", ()), {"_id": "_id", "order_id": "_id"}),
        (IdMapping("single_field", ("order_id",)), {"order_id": "_id"}),
        (SCOPED, {"store_id": "_id.store_id", "order_id": "_id.order_id"}),
    ],
)
def test_fields_in_ditto_id_depend_on_the_mapping(model: Model, mapping: IdMapping, held: dict[str, str]) -> None:
    """It tests the _id, and so the fields that form it; match_ids has the id field, which equals _id."""
    assert in_ditto_id(model["orders"], mapping) == held


def grant(condition: str, *operations: Operation) -> Grant:
    """Return a rule for orders."""
    return Grant(collection="orders", operations=operations or ("read",), condition=condition)


def test_unenforceable_rule_is_reported_with_its_reason(model: Model) -> None:
    rule = grant("store_id = $user.store_id AND status != 'cancelled' AND store_id != 'x'")
    why = "is not part of Ditto's _id, and Ditto's permissions test nothing else"
    assert list(beyond_ditto(rule, model["orders"], SCOPED)) == [f"status {why}"]
    assert list(beyond_ditto(rule, model["orders"], IdMapping("match_ids", ()))) == [f"store_id {why}", f"status {why}"]


@pytest.mark.parametrize(
    ("operations", "more"),
    [
        (("read",), None),
        (("read", "write", "delete"), None),
        (("update",), "who may update could write and delete as well"),
        (("write",), "who may write and update could delete as well"),
        (("delete",), "who may delete could write and update as well"),
    ],
)
def test_operations_that_ditto_does_not_distinguish_are_reported(
    operations: tuple[Operation, ...], more: str | None
) -> None:
    found = indistinct(grant("true", *operations))
    assert found == (None if more is None else f"Ditto knows read and write only: {more}")


def test_webhook_answers_for_the_shipped_configuration(model: Model, permissions: Permissions) -> None:
    """Ditto cannot test anything that separates the stores, and a finding for each collection states it."""
    given = compiled(permissions, model, load_connector(model).mappings, user_of(permissions, model, STORES, TACOMA))
    open_to_all = {name: ["true"] for name in MAY if name != "product_embeddings"}
    changed = {name: ["true"] for name in ("inventory", "orders", "order_items", "customers")}
    assert given.document == {
        "read": {"everything": False, "queriesByCollection": open_to_all},
        "write": {"everything": False, "queriesByCollection": changed},
    }
    beyond = [finding for finding in given.findings if "is not part of Ditto's _id" in finding]
    assert {finding.split(":")[0] for finding in beyond} == {
        *(f"{kind} {name}" for kind in ("read", "write") for name in changed), "read products",
    }  # fmt: skip


def test_webhook_answers_for_ids_with_the_store(model: Model, permissions: Permissions) -> None:
    user = user_of(permissions, model, STORES, TACOMA)
    given = compiled(permissions, model, {"orders": SCOPED}, user)
    own = {"everything": False, "queriesByCollection": {"orders": ["_id.store_id == 'store_tacoma'"]}}
    assert given.document == {"read": own, "write": own}
    assert given.findings == ["write orders: Ditto does not tell write, update, delete apart, and allows all of them"]


@pytest.mark.parametrize(("user_id", "everything"), [(NIL, True), (None, False), ("nobody", False)])
def test_permission_on_everything_or_nothing_has_no_condition(
    model: Model, permissions: Permissions, user_id: Any, everything: bool
) -> None:
    user = user_of(permissions, model, STORES, user_id)
    given = compiled(permissions, model, load_connector(model).mappings, user)
    part = {"everything": everything, "queriesByCollection": {}}
    assert (given.document, given.findings) == ({"read": part, "write": part}, [])


#: A condition on orders, and Ditto's queries for it: of several, one is enough.
TRANSLATED = [
    ("order_id = 'o1'", ["_id.order_id == 'o1'"]),
    ("order_id != 'o1'", ["_id.order_id != 'o1'"]),
    ("order_id = 'it\\'s \\\\'", ["_id.order_id == 'it\\'s \\\\'"]),
    ("order_id IN ('o1', 'o2')", ["_id.order_id == 'o1'", "_id.order_id == 'o2'"]),
    ("order_id = 'o1' OR store_id = 's'", ["_id.order_id == 'o1'", "_id.store_id == 's'"]),
    ("order_id = 'o1' AND store_id = 's'", ["(_id.order_id == 'o1') && (_id.store_id == 's')"]),
    ("order_id = 'o1' AND store_id IN ('s', 't')", ["(_id.order_id == 'o1') && ((_id.store_id == 's') || (_id.store_id == 't'))"]),
    ("order_id = 'o1' AND status = 'pending'", ["_id.order_id == 'o1'"]),
    ("order_id = 'o1' OR status = 'pending'", ["true"]),
    ("status = 'pending'", ["true"]),
    ("true", ["true"]),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "queries"), TRANSLATED, ids=[row[0] for row in TRANSLATED])
def test_condition_is_translated_to_ditto(
    model: Model, permissions: Permissions, condition: str, queries: list[str]
) -> None:
    """It is never narrower than the rule: parts outside of the id are left out of AND, and make OR true."""
    only = permissions.model_copy(update={"rules": (grant(condition),)})
    given = compiled(only, model, {"orders": SCOPED}, user_of(permissions, model, STORES, TACOMA))
    assert given.document["read"]["queriesByCollection"] == {"orders": queries}
    assert bool(given.findings) == ("status" in condition)


def test_subscription_selects_the_readable_documents(model: Model, permissions: Permissions) -> None:
    user = user_of(permissions, model, STORES, TACOMA)
    asked = [subscription(permissions, model[name], user) for name in ("orders", "stores", "product_embeddings")]
    assert asked == [
        ("SELECT * FROM `orders` WHERE `store_id` = :value_0", {"value_0": "store_tacoma"}),
        ("SELECT * FROM `stores` WHERE true", {}),
        ("SELECT * FROM `product_embeddings` WHERE false", {}),
    ]
