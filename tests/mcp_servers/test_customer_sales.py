"""Server customer-sales: each tool gives what Python computes from the documents."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from typing import Any

import pytest

from tests.mcp_servers.assistants import all_of, clerk
from tests.mcp_servers.shop import Assistant

pytest_plugins = ["tests.mcp_servers.shop"]

__all__ = ["all_of", "clerk"]


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
