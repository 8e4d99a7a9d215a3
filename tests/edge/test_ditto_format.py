"""Permissions in Ditto's own format, and the subscriptions that select the same documents."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

from typing import Any

import pytest

from conformance.ditto.connector import load_connector
from conformance.ditto.permissions import (
    Grant,
    Operation,
    Permissions,
    beyond_ditto,
    in_ditto_id,
    indistinct,
    user_of,
)
from conformance.model.collection import IdMapping, Model
from edge.ditto_permissions import compiled, subscription
from tests.edge.store_users import MAY, NIL, STORES, TACOMA, permissions

__all__ = ["permissions"]


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
