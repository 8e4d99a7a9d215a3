"""The generated documents: schemas, references, and all derived values recomputed from the documents."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import pytest

from conformance.checks.base import Document
from conformance.config.configuration import Configuration
from conformance.config.loading import load_configuration
from conformance.model.validators.document_validator import breaches
from tests.generator.datasets import MODEL, SIZES, by, dataset

pytestmark = pytest.mark.slow


@cache
def figures() -> Configuration:
    """Return the project's configuration, used for its parameters only."""
    return load_configuration(MODEL, {})


def cents(amount: float) -> int:
    """Return money as whole cents, from its decimal digits."""
    exact = Decimal(repr(amount)) * 100
    assert exact == exact.to_integral_value()
    return int(exact)


def half_up(amount: Decimal) -> int:
    """Round to the cent, ties up (all amounts here are positive)."""
    assert amount >= 0
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_every_document_matches_its_schema(customers: int, orders: int) -> None:
    """The Python oracle validates them; none is deleted, and _id equals the id field if the model requires it."""
    made = dataset(customers, orders)
    for collection in MODEL:
        documents = made[collection.name]
        step = max(1, len(documents) // 150)  # a sample of large collections
        for document in documents[::step]:
            assert breaches(collection, document) == []
        for document in documents:
            assert document["deleted"] is False
            if collection.id_field:
                assert document["_id"] == document[collection.id_field]


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_references_resolve_and_keys_are_unique(customers: int, orders: int) -> None:
    """Every reference, every unique field and combination, and _id."""
    made = dataset(customers, orders)
    for collection in MODEL:
        documents = made[collection.name]
        for reference in collection.references:
            parents = {parent[reference.target_field] for parent in made[reference.target]}
            assert {d[reference.field] for d in documents if reference.field in d} <= parents
        for group in (("_id",), *collection.unique):
            keys = [tuple(document[field] for field in group) for document in documents]
            assert len(set(keys)) == len(keys), (collection.name, group)
    emails = [customer["email"].lower() for customer in made["customers"]]
    assert len(set(emails)) == len(emails)


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_duplicated_keys_and_snapshots_equal_their_source(customers: int, orders: int) -> None:
    """An item has the store of its order, a product the category of its type, and copies equal their source."""
    made = dataset(customers, orders)
    stores, types = by(made, "stores", "store_id"), by(made, "product_types", "type_id")
    products, of_order = by(made, "products", "product_id"), by(made, "orders", "order_id")
    people = by(made, "customers", "customer_id")
    for product in made["products"]:
        assert product["category_id"] == types[product["type_id"]]["category_id"]
        assert product["product_id"] == "prod_" + product["sku"].lower()
    for order in made["orders"]:
        person = people[order["customer_id"]]
        assert order["customer_name"] == f"{person['first_name']} {person['last_name']}"
        assert order.get("customer_email", person["email"]) == person["email"]
        assert order["store_name"] == stores[order["store_id"]]["store_name"]
    for item in made["order_items"]:
        assert item["store_id"] == of_order[item["order_id"]]["store_id"]
        for field in ("sku", "product_name"):
            assert item[field] == products[item["product_id"]][field]


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_amounts_equal_decimal_arithmetic(customers: int, orders: int) -> None:
    """Recomputed from the documents' own digits, without the library: lines, orders, tax half up, prices, margins."""
    made = dataset(customers, orders)
    rates = figures().table("tax_rate")
    values = figures().table("store_order_value")
    products = by(made, "products", "product_id")
    lines: dict[str, list[Document]] = defaultdict(list)
    for item in made["order_items"]:
        lines[item["order_id"]].append(item)
        gross = item["quantity"] * cents(item["unit_price"])
        assert ("discount_percent" in item) == ("discount_amount" in item)
        discount = cents(item.get("discount_amount", 0.0))
        assert discount == half_up(gross * Decimal(repr(item.get("discount_percent", 0.0))) / 100)
        assert 0 <= discount <= gross
        assert cents(item["line_total"]) == gross - discount
        listed = cents(products[item["product_id"]]["base_price"]) * Decimal(repr(values[item["store_id"]]))
        assert int(listed * 9 / 10) <= cents(item["unit_price"]) <= listed * 11 / 10 + 1
    for order in made["orders"]:
        items = lines[order["order_id"]]
        subtotal = sum(item["quantity"] * cents(item["unit_price"]) for item in items)
        discounts = sum(cents(item.get("discount_amount", 0.0)) for item in items)
        tax = half_up(Decimal(subtotal - discounts) * Decimal(rates[order["store_id"]]) / 10_000)
        assert order["item_count"] == len(items) >= 1
        assert cents(order["subtotal"]) == subtotal
        assert cents(order["discount_total"]) == discounts
        assert subtotal - discounts == sum(cents(item["line_total"]) for item in items)
        assert cents(order["tax"]) == tax
        assert cents(order["total"]) == subtotal - discounts + tax
    for product in made["products"]:
        assert cents(product["base_price"]) == half_up(Decimal(cents(product["cost"])) * 100 / 67)
        margin = (Decimal(repr(product["base_price"])) - Decimal(repr(product["cost"]))) / Decimal(
            repr(product["base_price"])
        )
        assert round(100 * margin, 1) == Decimal("33.0")
        assert product["gross_margin_percent"] == 33.0


def test_taxes_that_end_in_half_a_cent_are_rounded_up() -> None:
    """Among a thousand orders there are such ties, and the documents have the upper cent."""
    ties = 0
    for order in dataset(50, 1000)["orders"]:
        exact = Decimal(cents(order["subtotal"]) - cents(order["discount_total"]))
        exact *= Decimal(figures().table("tax_rate")[order["store_id"]]) / 10_000
        if exact % 1 == Decimal("0.5"):
            ties += 1
            assert cents(order["tax"]) == exact + Decimal("0.5")
    assert ties


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2020-01-01", "2026-12-31"),
        ("2024-02-28", "2024-03-01"),
        ("2024-02-29", "2024-02-29"),
        ("2023-12-31", "2024-01-01"),
        ("2030-06-01", "2030-06-02"),
        ("1969-12-31", "1970-01-01"),
    ],
)
def test_dates_are_within_the_period(start: str, end: str) -> None:
    """The period is START_DATE to END_DATE inclusive; ids have the UTC day and a sequence number without gaps."""
    first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
    made = dataset(5, 400, start_date=first, end_date=last)
    orders, people = made["orders"], by(made, "customers", "customer_id")
    days = [order["order_date"][:10] for order in orders]
    assert start <= min(days)
    assert max(days) <= end
    if (last - first).days < 5:
        assert {min(days), max(days)} == {start, end}
    dates = [order["order_date"] for order in orders]
    assert dates == sorted(dates)
    sequence: Counter[str] = Counter()
    for order in orders:
        day = order["order_date"][:10].replace("-", "")
        sequence[day] += 1
        assert order["order_id"] == f"order_{day}_{sequence[day]:06d}"
        assert people[order["customer_id"]]["created_at"] < order["order_date"]
        assert order["created_at"] <= order["updated_at"]
    for person in made["customers"]:
        age = dt.datetime.fromisoformat(start + "T00:00:00+00:00") - dt.datetime.fromisoformat(person["created_at"])
        assert dt.timedelta(0) < age <= dt.timedelta(days=730)
        assert person["created_at"] <= person["updated_at"]
    of_order = by(made, "orders", "order_id")
    assert all(item["created_at"] == of_order[item["order_id"]]["order_date"] for item in made["order_items"])


def test_inventory_has_each_pair_once() -> None:
    """There are 0.85 to 1.0 of stores x products; optional fields are present and absent."""
    inventory = dataset(3, 200)["inventory"]
    pairs = Counter((one["store_id"], one["product_id"]) for one in inventory)
    assert max(pairs.values()) == 1
    assert 0.85 <= len(pairs) / (8 * 400) <= 1.0
    for name in ("reorder_threshold", "last_counted", "notes"):
        assert {name in one for one in inventory} == {True, False}
    assert {"bin" in one["location"] for one in inventory} == {True, False}


def test_orders_go_to_the_customers_of_their_store() -> None:
    """An order of a store without customers has any customer."""
    made = dataset(50, 1000)
    homes = by(made, "customers", "customer_id")
    settled = {customer["primary_store_id"] for customer in made["customers"]}
    for order in made["orders"]:
        if order["store_id"] in settled:
            assert homes[order["customer_id"]]["primary_store_id"] == order["store_id"]
    assert len({order["store_id"] for order in made["orders"]}) == 8


def test_embeddings_belong_to_their_product() -> None:
    """Each product has one, of unit length and the declared dimensions; only similar texts have similar vectors."""
    made = dataset(1, 1)
    assert [e["product_id"] for e in made["product_embeddings"]] == [p["product_id"] for p in made["products"]]
    for embedding in made["product_embeddings"][::40]:
        for name, size in (("image_embedding", 512), ("description_embedding", 1536)):
            assert len(embedding[name]) == size
            assert sum(x * x for x in embedding[name]) == pytest.approx(1)
    images = [embedding["image_embedding"] for embedding in made["product_embeddings"]]
    assert len({tuple(image) for image in images}) == 400
