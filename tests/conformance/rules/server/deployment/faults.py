"""Faults of indexes: an edit of a provisioned database, the rules that fail, and the first sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance.rules.server.deployment.rules import Documents


@dataclass(frozen=True)
class Fault:
    """An edit to a provisioned database, the rules that fail, and the first one's sample (ref, why)."""

    title: str
    damage: Callable[[Documents], Any]
    fails: tuple[str, ...]
    ref: str
    why: str


def rebuilt(collection: str, index: str, keys: Any, **options: Any) -> Callable[[Documents], Any]:
    def damage(database: Documents) -> None:
        database[collection].drop_index(index)
        database[collection].create_index(keys, **options)

    return damage


def modified(collection: str, **options: Any) -> Callable[[Documents], Any]:
    return lambda database: database.command({"collMod": collection, **options})


TEXT = "product_name_text_product_description_text"
BOTH = [("product_name", "text"), ("product_description", "text")]
WEIGHTS = {"product_name": 10, "product_description": 5}
SEARCH = "indexes.products.product_name+product_description"
TYPES = "indexes.product_types"

INDEX_FAULTS = (
    Fault(
        "missing",
        lambda db: db.stores.drop_index("is_online_1"),
        ("indexes.stores.is_online",),
        "stores.is_online_1",
        "there is no index on is_online",
    ),
    Fault(
        "missing, and it led a reference",
        lambda db: db.product_types.drop_index("category_id_1"),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        "there is no index on category_id",
    ),
    Fault(
        "not unique",
        rebuilt("customers", "email_1", "email"),
        ("indexes.customers.email",),
        "customers.email_1",
        "it is not unique",
    ),
    Fault(
        "not unique, under another name",
        rebuilt("customers", "email_1", "email", name="mail"),
        ("indexes.customers.email",),
        "customers.email_1",
        "mail: it is not unique",
    ),
    Fault(
        "unique unasked",
        rebuilt("stores", "deleted_1", "deleted", unique=True),
        ("indexes.stores.deleted",),
        "stores.deleted_1",
        "it is unique, but the model declares it as not unique",
    ),
    Fault(
        "wrong direction",
        rebuilt("orders", "order_date_-1", "order_date"),
        ("indexes.orders.order_date",),
        "orders.order_date_-1",
        "order_date_1: its keys are order_date instead of order_date (descending)",
    ),
    Fault(
        "wrong order",
        rebuilt("customers", "last_name_1_first_name_1", [("first_name", 1), ("last_name", 1)]),
        ("indexes.customers.last_name+first_name",),
        "customers.last_name_1_first_name_1",
        "first_name_1_last_name_1: its keys are first_name, last_name instead of last_name, first_name",
    ),
    Fault(
        "no weights",
        rebuilt("products", TEXT, BOTH),
        (SEARCH,),
        f"products.{TEXT}",
        'its weights are {"product_description": 1, "product_name": 1} instead of '
        '{"product_description": 5, "product_name": 10}',
    ),
    Fault(
        "text of another language",
        rebuilt("products", TEXT, BOTH, weights=WEIGHTS, default_language="french"),
        (SEARCH,),
        f"products.{TEXT}",
        "its default_language is french instead of english",
    ),
    Fault(
        "a field names each document's language",
        rebuilt("products", TEXT, BOTH, weights=WEIGHTS, language_override="tongue"),
        (SEARCH,),
        f"products.{TEXT}",
        'it has language_override "tongue"',
    ),
    Fault(
        "text of one field less",
        rebuilt("products", TEXT, BOTH[:1], weights={"product_name": 10}),
        (SEARCH,),
        f"products.{TEXT}",
        "product_name_text: its keys are product_name (text) instead of product_description (text), product_name",
    ),
    Fault(
        "partial",
        rebuilt("product_types", "category_id_1", "category_id", partialFilterExpression={"deleted": False}),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        'it has partialFilterExpression {"deleted": false}',
    ),
    Fault(
        "hidden",
        rebuilt("product_types", "category_id_1", "category_id", hidden=True),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        "it has hidden true",
    ),
    Fault(
        "another collation",
        rebuilt("product_types", "category_id_1", "category_id", collation={"locale": "fr"}),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        'it has collation {"locale": "fr"}; the model declares none',
    ),
    Fault(
        "a collation that does not tell capitals apart",
        rebuilt("product_types", "category_id_1", "category_id", collation={"locale": "en", "strength": 2}),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        'it has collation {"locale": "en", "strength": 2}; the model declares none',
    ),
    Fault(
        "sparse, which look-ups can still use",
        rebuilt("product_types", "category_id_1", "category_id", sparse=True),
        (f"{TYPES}.category_id",),
        "product_types.category_id_1",
        "it has sparse true",
    ),
    Fault(
        "documents expire at once",
        rebuilt("stores", "is_online_1", "is_online", expireAfterSeconds=0),
        ("indexes.stores.is_online",),
        "stores.is_online_1",
        "it has expireAfterSeconds 0",
    ),
    Fault(
        "the name belongs to other keys",
        rebuilt("stores", "is_online_1", "created_at", name="is_online_1"),
        ("indexes.stores.is_online", "indexes.stores.extra"),
        "stores.is_online_1",
        "there is no index on is_online",
    ),
    Fault(
        "one index more",
        lambda db: db.orders.create_index([("total", -1), ("tax", 1)]),
        ("indexes.orders.extra",),
        "orders.total_-1_tax_1",
        "the index on total (descending), tax exists but the model does not declare it",
    ),
    Fault(
        "one index more, which deletes documents",
        lambda db: db.orders.create_index("updated_at", expireAfterSeconds=3600),
        ("indexes.orders.extra",),
        "orders.updated_at_1",
        "the index on updated_at exists but the model does not declare it; it deletes documents 3,600 seconds after the"
        " date in updated_at",
    ),
    Fault(
        "a prefix",
        lambda db: db.inventory.create_index("store_id"),
        ("indexes.inventory.redundant", "indexes.inventory.extra"),
        "inventory.store_id_1",
        "the index on store_id is covered by store_id_1_product_id_1 (store_id, product_id)",
    ),
    Fault(
        "a prefix backwards",
        lambda db: db.inventory.create_index([("store_id", -1), ("stock_level", -1)]),
        ("indexes.inventory.redundant", "indexes.inventory.extra"),
        "inventory.store_id_-1_stock_level_-1",
        "store_id_1_stock_level_1_reorder_threshold_1",
    ),
    Fault(
        "the same backwards: one of the two is named",
        lambda db: db.orders.create_index([("order_date", 1)]),
        ("indexes.orders.redundant", "indexes.orders.extra"),
        "orders.order_date_1",
        "the index on order_date is covered by order_date_-1 (order_date (descending))",
    ),
    Fault(
        "a plain one beside the unique one",
        lambda db: db.orders.create_index("order_id", name="again"),
        ("indexes.orders.redundant", "indexes.orders.extra"),
        "orders.again",
        "the index on order_id is covered by order_id_1 (order_id)",
    ),
    Fault(
        "_id, which cannot be done without, is no redundant start",
        lambda db: db.orders.create_index([("_id", 1), ("tax", 1)]),
        ("indexes.orders.extra",),
        "orders._id_1_tax_1",
        "the index on _id, tax exists but the model does not declare it",
    ),
    Fault(
        "mixed directions are no prefix",
        lambda db: db.inventory.create_index([("store_id", 1), ("product_id", -1), ("notes", 1)]),
        ("indexes.inventory.extra",),
        "inventory.store_id_1_product_id_-1_notes_1",
        "the index on store_id, product_id (descending), notes",
    ),
    Fault(
        "a text index does not do what its plain start does",
        lambda db: db.orders.create_index([("status", 1), ("customer_name", "text")], name="words"),
        ("indexes.orders.extra",),
        "orders.words",
        "the index on status, customer_name (text) exists but the model does not declare it",
    ),
    Fault(
        "a partial prefix does something of its own",
        lambda db: db.inventory.create_index("store_id", partialFilterExpression={"deleted": True}),
        ("indexes.inventory.extra",),
        "inventory.store_id_1",
        "the index on store_id",
    ),
    Fault(
        "a prefix of a partial one stays needed",
        lambda db: db.orders.create_index(
            [("status", 1), ("tax", 1)], partialFilterExpression={"deleted": True}, name="taxed"
        ),
        ("indexes.orders.extra",),
        "orders.taxed",
        "the index on status, tax",
    ),
)


def validator_of(database: Documents, collection: str) -> dict[str, Any]:
    (info,) = database.list_collections(filter={"name": collection})
    return dict(info["options"]["validator"])
