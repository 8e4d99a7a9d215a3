"""The tools of both servers: descriptions, output schemas and invalid arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.mcp_servers.assistants import all_of, analyst, clerk
from tests.mcp_servers.shop import Assistant

pytest_plugins = ["tests.mcp_servers.shop"]

__all__ = ["all_of", "analyst", "clerk"]


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
