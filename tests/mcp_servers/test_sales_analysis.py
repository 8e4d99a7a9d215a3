"""Server sales-analysis: each tool gives what Python computes from the documents."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest

from conformance.model.collection import Model
from tests.mcp_servers.assistants import all_of, analyst
from tests.mcp_servers.shop import Assistant, Document, Mongo

pytest_plugins = ["tests.mcp_servers.shop"]

__all__ = ["all_of", "analyst"]


@pytest.fixture(scope="module")
def sold(all_of: Mapping[str, list[Document]]) -> list[Document]:
    """Return the orders that count as sales."""
    orders = [order for order in all_of["orders"] if order["status"] != "cancelled"]
    assert 0 < len(orders) < len(all_of["orders"])
    return orders


def total(documents: list[Document], field: str = "total") -> float:
    """Return an exact sum of money."""
    return float(sum(Decimal(str(document[field])) for document in documents))


def mean(documents: list[Document]) -> float:
    exact = sum(Decimal(str(document["total"])) for document in documents) / len(documents)
    return float(exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN))


# sales-analysis


RANGES = [
    {},
    {"start_date": "2024-01-01"},
    {"end_date": "2022-06-30"},
    {"start_date": "2023-03-05", "end_date": "2024-09-17"},
    {"start_date": "2024-12-31", "end_date": "2024-12-31"},
]


def within(orders: list[Document], days: Mapping[str, str]) -> list[Document]:
    first, last = days.get("start_date", "0000"), days.get("end_date", "9999")
    return [order for order in orders if first <= order["order_date"][:10] <= last]


def groups(orders: list[Document], key: Callable[[Document], str]) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = defaultdict(list)
    for order in orders:
        found[key(order)].append(order)
    return found


@pytest.mark.parametrize("days", RANGES, ids=str)
def test_sales_by_store_equal_python_totals(analyst: Assistant, sold: list[Document], days: dict[str, str]) -> None:
    by_store = groups(within(sold, days), lambda order: order["store_id"])
    found = analyst.answer("sales_by_store", **days)["stores"]
    assert {row["store_id"]: (row["orders"], row["sales"]) for row in found} == {
        store: (len(orders), total(orders)) for store, orders in by_store.items()
    }
    assert all(abs(row["average"] - mean(by_store[row["store_id"]])) < 0.011 for row in found)
    assert [row["sales"] for row in found] == sorted((row["sales"] for row in found), reverse=True)


@pytest.mark.parametrize("store_id", [None, "store_tacoma"])
@pytest.mark.parametrize("days", RANGES[:4], ids=str)
def test_sales_by_month_equal_python_totals(
    analyst: Assistant, sold: list[Document], days: dict[str, str], store_id: str | None
) -> None:
    of_store = [order for order in within(sold, days) if store_id in (None, order["store_id"])]
    by_month = groups(of_store, lambda order: order["order_date"][:7])
    found = analyst.answer("sales_by_month", **days, store_id=store_id)["months"]
    assert [(row["month"], row["orders"], row["sales"]) for row in found] == [
        (month, len(orders), total(orders)) for month, orders in sorted(by_month.items())
    ]


@pytest.mark.parametrize("category_id", [None, "cat_power_tools"])
def test_top_products_equal_python_totals(
    analyst: Assistant, shop: Mongo, all_of: Any, sold: list[Document], category_id: str | None
) -> None:
    days = {"start_date": "2024-01-01", "end_date": "2024-12-31"}
    wanted = {order["order_id"] for order in within(sold, days)}
    category = {product["product_id"]: product["category_id"] for product in shop["products"].find()}
    lines = groups(
        [
            line
            for line in all_of["order_items"]
            if line["order_id"] in wanted and category_id in (None, category[line["product_id"]])
        ],
        lambda line: line["product_id"],
    )
    best = sorted(lines, key=lambda product_id: (-total(lines[product_id], "line_total"), product_id))[:5]
    found = analyst.answer("top_products", **days, category_id=category_id, max_rows=5)["products"]
    assert [(row["product_id"], row["sales"], row["quantity"], row["category_id"]) for row in found] == [
        (one, total(lines[one], "line_total"), sum(line["quantity"] for line in lines[one]), category[one])
        for one in best
    ]


@pytest.mark.parametrize("store_id", [None, "store_spokane"])
def test_low_stock_equals_python_result(analyst: Assistant, all_of: Any, store_id: str | None) -> None:
    names = {product["product_id"]: product["product_name"] for product in all_of["products"]}
    low = sorted(
        (shelf["stock_level"], shelf["store_id"], shelf["product_id"])
        for shelf in all_of["inventory"]
        if store_id in (None, shelf["store_id"])
        and "reorder_threshold" in shelf
        and shelf["stock_level"] <= shelf["reorder_threshold"]
    )
    assert low
    found = analyst.answer("low_stock", store_id=store_id, max_rows=1000)["shelves"]
    assert [(row["stock_level"], row["store_id"], row["product_id"]) for row in found] == low
    assert all(row["product_name"] == names.get(row["product_id"], row["product_name"]) for row in found)


def test_lifetime_value_equals_python_totals(analyst: Assistant, sold: list[Document]) -> None:
    by_customer = groups(sold, lambda order: order["customer_id"])
    best = sorted(by_customer, key=lambda one: (-total(by_customer[one]), one))
    found = analyst.answer("customer_lifetime_value", max_rows=7)["customers"]
    assert [(row["customer_id"], row["spent"], row["orders"]) for row in found] == [
        (one, total(by_customer[one]), len(by_customer[one])) for one in best[:7]
    ]
    one = analyst.answer("customer_lifetime_value", customer_id=best[3])["customers"]
    dates = sorted(order["order_date"] for order in by_customer[best[3]])
    assert [(row["customer_id"], row["first_order"], row["last_order"]) for row in one] == [
        (best[3], dates[0], dates[-1])
    ]


def test_collection_schemas_list_fields_and_references(analyst: Assistant, model: Model) -> None:
    short = analyst.answer("get_collection_schemas")["result"]
    assert [each["collection"] for each in short] == [each.name for each in model if each.synced]
    assert all(not each["fields"] and not each["queries"] for each in short)
    (orders,) = analyst.answer("get_collection_schemas", collections=["orders"])["result"]
    fields = {field["name"]: field for field in orders["fields"]}
    assert fields["status"]["allowed_values"] == ["pending", "completed", "cancelled"]
    assert fields["customer_id"]["refers_to"] == "customers.customer_id"
    assert orders["referred_to_by"] == ["order_items.order_id"]
    assert "customer_id, order_date" in orders["indexes"]
    assert any(query["title"] == "An order with its items" for query in orders["queries"])
    assert "there is no collection 'nosuch'" in analyst.error("get_collection_schemas", collections=["nosuch"])


def test_aggregation_is_run(analyst: Assistant, sold: list[Document]) -> None:
    pipeline = [
        {"$match": {"status": {"$ne": "cancelled"}, "deleted": False}},
        {"$group": {"_id": "$status", "orders": {"$sum": 1}}},
        {"$sort": {"_id": 1}},
    ]
    found = analyst.answer("run_aggregation", collection="orders", pipeline=pipeline)
    counts = Counter(order["status"] for order in sold)
    assert found == {"rows": [{"_id": name, "orders": counts[name]} for name in sorted(counts)], "truncated": False}


def test_object_ids_are_returned_as_text(analyst: Assistant, shop: Mongo) -> None:
    found = analyst.answer("run_aggregation", collection="customers", pipeline=[{"$sort": {"_id": 1}}, {"$limit": 1}])
    assert found["rows"][0]["_id"] == str(shop["customers"].find_one(sort=[("_id", 1)])["_id"])  # type: ignore[index]
