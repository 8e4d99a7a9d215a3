"""A shop with every index of the model, filled with documents, and definitions of queries on it."""

from __future__ import annotations

import random
from typing import Any

from pymongo.database import Database

from conformance.config.configuration import NamedQuery
from conformance.model.collection import Model

Mongo = Database[dict[str, Any]]

#: Indexes to drop, by collection and name, and the queries that must notice. The `deleted` and single-field indexes
#: that are not here serve the connector and the devices, and no named query.
DROPPED = [
    ("orders", "order_id_1", "orders.order_with_items"),
    ("order_items", "order_id_1_product_id_1", "orders.order_with_items orders.top_products_by_category"),
    ("products", "product_id_1", "orders.top_products_by_category inventory.inventory_report"),
    ("product_embeddings", "product_id_1", "product_embeddings.similar_products"),
    ("orders", "customer_id_1_order_date_-1", "orders.customer_history orders.customer_analytics"),
    ("orders", "order_date_-1", "orders.sales_by_date"),
    ("orders", "store_id_1_order_date_-1", "orders.sales_by_store orders.orders_of_store"),
    ("orders", "store_id_1_status_1", "orders.pending_of_store"),
    ("order_items", "store_id_1_deleted_1", "order_items.items_of_store"),
    ("order_items", "product_id_1", "order_items.items_of_product"),
    ("inventory", "store_id_1_product_id_1", "inventory.store_inventory"),
    ("inventory", "product_id_1", "inventory.stock_of_product"),
    ("inventory", "store_id_1_stock_level_1_reorder_threshold_1", "inventory.low_stock"),
    ("inventory", "location.aisle_1", "inventory.aisle_lookup"),
    ("inventory", "location.shelf_1", "inventory.shelf_lookup"),
    ("products", "sku_1", "products.by_sku"),
    ("products", "product_name_text_product_description_text", "products.text_search"),
    ("products", "category_id_1", "products.of_category"),
    ("products", "type_id_1", "products.of_type"),
    ("product_types", "category_id_1", "product_types.types_of_category"),
    ("customers", "last_name_1_first_name_1", "customers.by_name"),
    ("customers", "email_1", "customers.by_email"),
    ("customers", "primary_store_id_1", "customers.live_of_store"),
]


def fill(database: Mongo, orders: int) -> None:
    """Insert a small shop with the fields that queries name: this number of orders, with two items each."""
    draw = random.Random(orders)
    stores = [f"store_{n}" for n in range(4)]
    live: dict[str, Any] = {"deleted": False}
    database["product_types"].insert_many(
        [{"_id": f"t{n}", "type_id": f"t{n}", "category_id": f"c{n % 3}"} | live for n in range(12)]
    )
    database["products"].insert_many(
        [
            {"_id": f"p{n}", "product_id": f"p{n}", "sku": f"S{n}", "type_id": f"t{n % 12}", "category_id": f"c{n % 3}"}
            | {"product_name": f"Hammer number{n}", "product_description": "It hits."}
            | live
            for n in range(40)
        ]
    )
    database["product_embeddings"].insert_many(
        [{"_id": f"p{n}", "product_id": f"p{n}", "description_embedding": [1.0] * 1536} | live for n in range(40)]
    )
    database["inventory"].insert_many(
        [
            {"store_id": store, "product_id": f"p{n}", "stock_level": draw.randint(0, 50), "reorder_threshold": 10}
            | {"location": {"aisle": f"A{draw.randint(0, 9)}", "shelf": f"S{draw.randint(0, 9)}"}}
            | live
            for store in stores
            for n in range(40)
        ]
    )
    database["customers"].insert_many(
        [
            {"customer_id": f"k{n}", "email": f"k{n}@example.com", "primary_store_id": stores[n % 4]}
            | {"last_name": f"L{n % 9}", "first_name": f"F{n % 7}"}
            | live
            for n in range(60)
        ]
    )
    for n in range(orders):
        key, store = f"order_{n:06d}", draw.choice(stores)
        database["orders"].insert_one(
            {"_id": key, "order_id": key, "store_id": store, "customer_id": f"k{draw.randrange(60)}", "total": 10.0}
            | {"order_date": f"2024-{1 + n * 11 // orders:02d}-{1 + n % 28:02d}T10:00:00Z"}
            | {"status": draw.choice(["pending", "completed", "completed", "cancelled"])}
            | live
        )
        items = [{"order_id": key, "store_id": store, "product_id": f"p{draw.randrange(40)}"} | live for _ in range(2)]
        database["order_items"].insert_many([item | {"quantity": 1, "line_total": 5.0} for item in items])


def provision(model: Model, database: Mongo) -> None:
    """Every index of the model."""
    for collection in model:
        for index in collection.indexes:
            options = {"unique": True} if index.unique else {}
            options |= {"weights": dict(index.weights)} if index.weights else {}  # type: ignore[dict-item]
            database[collection.name].create_index(list(index.keys), **options)  # type: ignore[arg-type]


def query_of(**given: Any) -> NamedQuery:
    whole = {"name": "q", "collection": "orders", "title": "Q", "find": {}, "plan": {"require": ["IXSCAN"]}} | given
    return NamedQuery.model_validate(whole)
