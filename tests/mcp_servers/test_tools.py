"""Answers of the tools to a real client over HTTP, compared with results computed in Python from the documents."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.model.collection import Model
from tests.mcp_servers.shop import SUPER_MANAGER, Assistant, Document, Mongo, by_http

pytest_plugins = ["tests.mcp_servers.shop"]

TOOLS = {
    "customer-sales": {
        "get_products_by_name", "semantic_search_products", "get_product_availability", "get_customer_orders",
        "get_current_utc_date",
    },
    "sales-analysis": {
        "get_collection_schemas", "run_aggregation", "sales_by_store", "sales_by_month", "top_products", "low_stock",
        "customer_lifetime_value", "get_current_utc_date",
    },
}  # fmt: skip
MANAGER = ("x-rls-user-id", SUPER_MANAGER)


@pytest.fixture(scope="module")
def clerk(customer_sales: str) -> Assistant:
    """Return a client of customer-sales that may see everything."""
    return by_http(customer_sales, MANAGER)


@pytest.fixture(scope="module")
def analyst(sales_analysis: str) -> Assistant:
    """Return a client of sales-analysis that may see everything."""
    return by_http(sales_analysis, MANAGER)


@pytest.fixture(scope="module")
def all_of(shop: Mongo) -> Mapping[str, list[Document]]:
    """Return every live document, by collection; the tests below do not query the database."""
    return {name: list(shop[name].find({"deleted": False})) for name in shop.list_collection_names()}


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


# The offered tools


@pytest.mark.parametrize("kind", TOOLS)
def test_tools_have_descriptions_and_schemas(kind: str, clerk: Assistant, analyst: Assistant) -> None:
    offered = {tool.name: tool for tool in (clerk if kind == "customer-sales" else analyst).tools()}
    assert offered.keys() == TOOLS[kind]
    for tool in offered.values():
        assert 40 < len(tool.description) < 700
        assert not any(line.startswith(" ") for line in tool.description.splitlines())
        assert tool.title == tool.name.replace("_", " ").capitalize()
        assert "context" not in tool.input_schema["properties"]
        assert all("description" in argument for argument in tool.input_schema["properties"].values())
        assert tool.output_schema["type"] == "object"
        assert tool.annotations.read_only_hint


def test_answers_match_their_output_schemas(clerk: Assistant, analyst: Assistant, all_of: Any) -> None:
    order = all_of["orders"][0]
    year = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
    calls: list[tuple[Assistant, str, dict[str, Any]]] = [
        (clerk, "get_products_by_name", {"product_name": "drill"}),
        (clerk, "semantic_search_products", {"query_description": "drill"}),
        (clerk, "get_product_availability", {"product_id": all_of["inventory"][0]["product_id"]}),
        (clerk, "get_customer_orders", {"customer_id": order["customer_id"]}),
        (clerk, "get_current_utc_date", {}),
        (analyst, "get_collection_schemas", {"collections": ["orders"]}),
        (analyst, "run_aggregation", {"collection": "orders", "pipeline": [{"$limit": 1}]}),
        (analyst, "sales_by_store", {}),
        (analyst, "sales_by_month", {}),
        (analyst, "top_products", year),
        (analyst, "low_stock", {}),
        (analyst, "customer_lifetime_value", {}),
    ]
    assert {name for _, name, _ in calls} == set.union(*TOOLS.values())
    for assistant, name, arguments in calls:
        (schema,) = [tool.output_schema for tool in assistant.tools() if tool.name == name]
        result = assistant.call(name, **arguments)
        Draft202012Validator(schema).validate(result.structured_content)
        assert json.loads(result.content[0].text)  # type: ignore[union-attr]
        assert any(result.structured_content.values())  # type: ignore[union-attr]


# customer-sales


@pytest.mark.parametrize("words", ["drill", "KIT cordless", "1/2 in.", "22-Piece", "(", ".*", "nosuchthing"])
def test_products_are_found_by_name(clerk: Assistant, all_of: Any, words: str) -> None:
    found = clerk.answer("get_products_by_name", product_name=words, max_rows=100)
    wanted = [
        product["product_id"]
        for product in sorted(all_of["products"], key=lambda each: (each["product_name"], each["product_id"]))
        if all(word.lower() in product["product_name"].lower() for word in words.split())
    ]
    assert [product["product_id"] for product in found["products"]] == wanted[:100]
    assert found["truncated"] == (len(wanted) > 100)
    assert all("cost" not in product for product in found["products"])


def test_number_of_rows_is_limited_as_requested(clerk: Assistant) -> None:
    assert len(clerk.answer("get_products_by_name", product_name="e")["products"]) == 20
    assert clerk.answer("get_products_by_name", product_name="e", max_rows=3)["truncated"]


def test_semantic_search_finds_products_by_meaning(clerk: Assistant) -> None:
    found = clerk.answer("semantic_search_products", query_description="something to water the lawn")["products"]
    assert len(found) == 10
    assert {"GO-WT-0007", "GO-WT-0012"} <= {product["sku"] for product in found}
    likenesses = [product["similarity"] for product in found]
    assert likenesses == sorted(likenesses, reverse=True)
    assert "GO-WT-0001" not in {product["sku"] for product in found}  # soft-deleted in this shop


@pytest.mark.parametrize("threshold", [-1.0, 0.3, 0.5, 1.0])
def test_semantic_search_respects_its_threshold(clerk: Assistant, threshold: float) -> None:
    ask = {"query_description": "hang a picture", "max_rows": 100}
    every = clerk.answer("semantic_search_products", **ask, similarity_threshold=-1.0)["products"]
    assert len(every) == 100
    some = clerk.answer("semantic_search_products", **ask, similarity_threshold=threshold)["products"]
    assert some == [product for product in every if product["similarity"] >= threshold]


def test_availability_lists_stock_of_all_stores(clerk: Assistant, all_of: Any) -> None:
    counts = Counter(shelf["product_id"] for shelf in all_of["inventory"])
    product_id = max(counts, key=lambda each: (counts[each], each))
    names = {store["store_id"]: store["store_name"] for store in all_of["stores"]}
    shelves = sorted(
        (shelf for shelf in all_of["inventory"] if shelf["product_id"] == product_id),
        key=lambda shelf: (-shelf["stock_level"], shelf["store_id"]),
    )
    assert len(shelves) > 5
    found = clerk.answer("get_product_availability", product_id=product_id)
    assert found["stores"] == [
        {
            "store_id": shelf["store_id"],
            "store_name": names[shelf["store_id"]],
            "stock_level": shelf["stock_level"],
            "aisle": shelf["location"]["aisle"],
            "shelf": shelf["location"]["shelf"],
            "bin": shelf["location"].get("bin"),
        }
        for shelf in shelves
    ]


def test_orders_of_a_customer_are_listed(clerk: Assistant, all_of: Any) -> None:
    counts = Counter(order["customer_id"] for order in all_of["orders"])
    customer_id, number = counts.most_common(1)[0]
    lines = defaultdict(list)
    for line in sorted(all_of["order_items"], key=lambda line: (line["product_id"], line["_id"])):
        lines[line["order_id"]].append((line["product_id"], line["quantity"], line["line_total"]))
    orders = sorted(
        (order for order in all_of["orders"] if order["customer_id"] == customer_id),
        key=lambda order: order["order_date"],
        reverse=True,
    )
    assert number > 3
    found = clerk.answer("get_customer_orders", customer_id=customer_id, max_rows=number)
    assert not found["truncated"]
    assert [(order["order_id"], order["status"], order["total"]) for order in found["orders"]] == [
        (order["order_id"], order["status"], order["total"]) for order in orders
    ]
    for order in found["orders"]:
        shown = [(item["product_id"], item["quantity"], item["line_total"]) for item in order["items"]]
        assert shown == lines[order["order_id"]]
    assert clerk.answer("get_customer_orders", customer_id=customer_id, max_rows=2)["truncated"]


def test_date_is_today(clerk: Assistant) -> None:
    before = dt.datetime.now(dt.UTC)
    found = clerk.answer("get_current_utc_date")
    after = dt.datetime.now(dt.UTC)
    assert f"{before:%Y-%m-%dT%H:%M:%SZ}" <= found["time"] <= f"{after:%Y-%m-%dT%H:%M:%SZ}"
    assert found["date"] == found["time"][:10]


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


WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("clerk", "get_products_by_name", {"product_name": "drill", "max_rows": 101}, "less than or equal to 100"),
    ("clerk", "get_products_by_name", {"product_name": "drill", "max_rows": 0}, "greater than or equal to 1"),
    ("clerk", "get_products_by_name", {"product_name": ""}, "at least 1 character"),
    ("clerk", "get_products_by_name", {"product_name": "  "}, "product_name is blank"),
    ("clerk", "get_products_by_name", {}, "product_name: is missing; write it"),
    ("clerk", "semantic_search_products", {"query_description": "x", "similarity_threshold": 2}, "less than or equal"),
    ("clerk", "semantic_search_products", {"query_description": "x" * 2001}, "at most 2000 characters"),
    ("analyst", "sales_by_store", {"start_date": "yesterday"}, "start_date: write text that matches "),
    ("analyst", "sales_by_store", {"start_date": "2025-02-30"}, "start_date: is not a day of the calendar"),
    ("analyst", "sales_by_month", {"end_date": "2025-13-01"}, "end_date: is not a day of the calendar"),
    ("analyst", "sales_by_month", {"end_date": "0000-01-01"}, "end_date: is not a day of the calendar"),
    (
        "analyst",
        "sales_by_store",
        {"start_date": "2025-03-01", "end_date": "2025-02-28"},
        "start_date 2025-03-01 is after end_date 2025-02-28; exchange them",
    ),
    ("analyst", "sales_by_month", {"start_date": "2026-01-01", "end_date": "2025-01-01"}, "exchange them"),
    ("analyst", "top_products", {"start_date": "2026-01-01", "end_date": "2025-01-01"}, "exchange them"),
    (
        "analyst",
        "top_products",
        {"start_date": "2025-02-29", "end_date": "2025-06-31"},
        "start_date: is not a day of the calendar; write YYYY-MM-DD (found '2025-02-29'); end_date: is not a day",
    ),
    ("analyst", "sales_by_month", {"store_id": {"$ne": None}}, "write text"),
    ("analyst", "customer_lifetime_value", {"customer_id": {"$gt": ""}}, "write text"),
    ("analyst", "run_aggregation", {"collection": "orders", "pipeline": "[{"}, "write a list"),
    ("analyst", "run_aggregation", {"collection": "orders", "pipeline": [{"$out": "x"}]}, "$out is not allowed"),
]


@pytest.mark.parametrize(("who", "tool", "arguments", "message"), WRONG, ids=[f"{w[1]}-{w[3]}" for w in WRONG])
def test_invalid_arguments_are_one_error(
    clerk: Assistant, analyst: Assistant, who: str, tool: str, arguments: dict[str, Any], message: str
) -> None:
    text = {"clerk": clerk, "analyst": analyst}[who].error(tool, **arguments)
    assert message in text
    assert "Traceback" not in text
    assert "http" not in text
    assert len(text.splitlines()) == 1
