"""Faults of validators and of change streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conformance.rules.server.deployment.faults import Fault, modified, validator_of
from tests.conformance.rules.server.deployment.rules import Documents

SERVER_FAULTS = (
    Fault(
        "no validator",
        modified("orders", validator={}),
        ("validators.orders.present",),
        "orders",
        "the collection has no validator",
    ),
    Fault(
        "a validator of another day",
        lambda db: modified("stores", validator=_with_bound(db, "stores", "store_name", 7))(db),
        ("validators.stores.definition",),
        "stores",
        "$jsonSchema.properties.store_name.maxLength: 7 instead of 100",
    ),
    Fault(
        "a validator that lacks a keyword",
        lambda db: modified("stores", validator=_with_bound(db, "stores", "store_name", None))(db),
        ("validators.stores.definition",),
        "stores",
        "$jsonSchema.properties.store_name.maxLength: missing",
    ),
    Fault(
        "a validator that lacks a value",
        lambda db: modified("orders", validator=_with_list(db, "status", lambda values: values[1:]))(db),
        ("validators.orders.definition",),
        "orders",
        '$jsonSchema.properties.status.enum: "pending" is missing',
    ),
    Fault(
        "a validator that takes a type more",
        lambda db: modified("orders", validator=_with_list(db, "tax", lambda types: [*types, "decimal"]))(db),
        ("validators.orders.definition",),
        "orders",
        '$jsonSchema.properties.tax.bsonType: "decimal" is not in the schema',
    ),
    Fault(
        "a validator with a condition more",
        lambda db: modified("stores", validator={**validator_of(db, "stores"), "deleted": False})(db),
        ("validators.stores.definition",),
        "stores",
        "deleted: false is not in the schema",
    ),
    Fault(
        "a validator with another condition",
        lambda db: modified("orders", validator={**validator_of(db, "orders"), "$expr": True})(db),
        ("validators.orders.definition",),
        "orders",
        '$expr: true instead of {"$and": ',
    ),
    Fault(
        "level",
        modified("orders", validationLevel="moderate"),
        ("validators.orders.level",),
        "orders",
        "validationLevel is moderate, so updates of invalid documents are not validated; expected strict",
    ),
    Fault(
        "level off",
        modified("orders", validationLevel="off"),
        ("validators.orders.level",),
        "orders",
        "validationLevel is off, so the server validates nothing; expected strict",
    ),
    Fault(
        "action",
        modified("orders", validationAction="warn"),
        ("validators.orders.action",),
        "orders",
        "validationAction is warn, so invalid documents are logged and accepted; expected error",
    ),
    Fault(
        "no images",
        modified("orders", changeStreamPreAndPostImages={"enabled": False}),
        ("streams.orders.images",),
        "orders",
        "pre- and post-images are disabled; expected enabled",
    ),
    Fault(
        "images for nobody",
        modified("product_embeddings", changeStreamPreAndPostImages={"enabled": True}),
        ("streams.product_embeddings.images",),
        "product_embeddings",
        "pre- and post-images are enabled; expected disabled, since the collection is not synced",
    ),
)


def _with_list(database: Documents, field: str, change: Callable[[list[str]], list[str]]) -> dict[str, Any]:
    """Return the validator of orders with other values of the field, or else other types."""
    validator = validator_of(database, "orders")
    schema = validator["$jsonSchema"]["properties"][field]
    keyword = "enum" if "enum" in schema else "bsonType"
    schema[keyword] = change(schema[keyword])
    return validator


def _with_bound(database: Documents, collection: str, field: str, bound: int | None) -> dict[str, Any]:
    validator = validator_of(database, collection)
    if bound is None:
        del validator["$jsonSchema"]["properties"][field]["maxLength"]
    else:
        validator["$jsonSchema"]["properties"][field]["maxLength"] = bound
    return validator
