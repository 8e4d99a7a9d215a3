"""Deviations from the state of the model, and the changes that fix them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

Documents = Database[dict[str, Any]]


@dataclass(frozen=True)
class Deviation:
    """A deviation from the state of the model, and the changes that fix it: (collection, kind, part of the text)."""

    title: str
    damage: Callable[[Documents], Any]
    fixed_by: tuple[tuple[str, str, str], ...]


def rebuilt(collection: str, index: str, keys: Any, **options: Any) -> Callable[[Documents], Any]:
    """Return a function that replaces an index by a wrong one."""

    def damage(database: Documents) -> None:
        database[collection].drop_index(index)
        database[collection].create_index(keys, **options)

    return damage


TEXT = "product_name_text_product_description_text"
BOTH = [("product_name", "text"), ("product_description", "text")]
WEIGHTS = {"product_name": 10, "product_description": 5}


def conflicting(collection: str, words: str) -> tuple[tuple[str, str, str], ...]:
    return (collection, "conflicting-index", words), (collection, "indexes", "build an index")


DEVIATIONS = (
    Deviation(
        "a collection is gone",
        lambda db: db.drop_collection("stores"),
        (("stores", "collection", "validator and pre- and post-images"), ("stores", "indexes", "build 3 indexes")),
    ),
    Deviation(
        "no validator",
        lambda db: db.command({"collMod": "orders", "validator": {}}),
        (("orders", "validator", "there is none"),),
    ),
    Deviation(
        "yesterday's validator",
        lambda db: db.command({"collMod": "orders", "validator": {"$jsonSchema": {"required": ["_id"]}}}),
        (("orders", "validator", "it is not the schema's"),),
    ),
    Deviation(
        "a lax level and action",
        lambda db: db.command({"collMod": "orders", "validationLevel": "moderate", "validationAction": "warn"}),
        (("orders", "validator", "validationLevel is moderate, not strict; validationAction is warn, not error"),),
    ),
    Deviation(
        "images off on a synced collection",
        lambda db: db.command({"collMod": "orders", "changeStreamPreAndPostImages": {"enabled": False}}),
        (("orders", "images", "enable"),),
    ),
    Deviation(
        "images on where nothing is synced",
        lambda db: db.command({"collMod": "product_embeddings", "changeStreamPreAndPostImages": {"enabled": True}}),
        (("product_embeddings", "images", "disable"),),
    ),
    Deviation(
        "an index is missing",
        lambda db: db.orders.drop_index("status_1"),
        (("orders", "indexes", "build an index: status"),),
    ),
    Deviation(
        "two indexes are missing",
        lambda db: [db.orders.drop_index(name) for name in ("status_1", "order_date_-1")],
        (("orders", "indexes", "build 2 indexes: order_date (descending); status"),),
    ),
    Deviation(
        "not unique",
        rebuilt("customers", "email_1", "email"),
        conflicting("customers", "it is not unique"),
    ),
    Deviation(
        "unique unasked",
        rebuilt("customers", "primary_store_id_1", "primary_store_id", unique=True),
        conflicting("customers", "it is unique"),
    ),
    Deviation(
        "not unique and under another name",
        rebuilt("customers", "email_1", "email", name="by_email"),
        conflicting("customers", "by_email"),
    ),
    Deviation(
        "partial",
        rebuilt("orders", "status_1", "status", partialFilterExpression={"deleted": False}),
        conflicting("orders", 'partialFilterExpression {"deleted": false}'),
    ),
    Deviation("sparse", rebuilt("orders", "status_1", "status", sparse=True), conflicting("orders", "sparse true")),
    Deviation("hidden", rebuilt("orders", "status_1", "status", hidden=True), conflicting("orders", "hidden true")),
    Deviation(
        "documents expire",
        rebuilt("orders", "status_1", "status", expireAfterSeconds=0),
        conflicting("orders", "expireAfterSeconds 0"),
    ),
    Deviation(
        "the name is taken by other keys",
        rebuilt("orders", "status_1", "tax", name="status_1"),
        conflicting("orders", "its keys are tax instead of status"),
    ),
    Deviation("no weights", rebuilt("products", TEXT, BOTH), conflicting("products", "its weights are")),
    Deviation(
        "text of another language",
        rebuilt("products", TEXT, BOTH, weights=WEIGHTS, default_language="french"),
        conflicting("products", "default_language is french instead of english"),
    ),
    Deviation(
        "text of one field less",
        rebuilt("products", TEXT, BOTH[:1]),
        conflicting("products", "its keys are product_name (text) instead of product_description (text), product_name"),
    ),
    Deviation(
        "ascending for descending: the declared one is built beside it",
        rebuilt("orders", "order_date_-1", "order_date"),
        (("orders", "indexes", "order_date (descending)"),),
    ),
    Deviation("the right index has another name", rebuilt("orders", "status_1", "status", name="by_status"), ()),
    Deviation(
        "text fields in another order",
        rebuilt("products", TEXT, BOTH[::-1], weights=WEIGHTS, name="search"),
        (),
    ),
    Deviation("an index more", lambda db: db.orders.create_index("tax"), ()),
)
