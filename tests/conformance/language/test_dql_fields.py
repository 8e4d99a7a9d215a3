"""Which fields a query in any DQL names, and with what it compares them."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.ditto.subscriptions import Subscriptions, load_subscriptions
from conformance.language.dql_fields import fields_named
from conformance.model.collection import Model

QUERIES: list[tuple[str, dict[str, list[Any]]]] = [
    ("SELECT * FROM orders", {}),
    ("SELECT * FROM orders WHERE status = 'open' ORDER BY tax DESC LIMIT 20", {"status": ["open"], "tax": []}),
    ("select total from orders where deleted == false and tax <> 1.5", {"total": [], "deleted": [False], "tax": [1.5]}),
    ("SELECT * FROM stock WHERE a <= b AND c > 0 AND d != :d", {"a": [], "b": [], "c": [], "d": []}),
    ("SELECT * FROM orders WHERE status IN ('open', 'paid') OR tax IN :list", {"status": ["open", "paid"], "tax": []}),
    ("SELECT * FROM orders WHERE lower(name) LIKE :words AND type(tax) = 'number'", {"name": [], "tax": []}),
    ("SELECT COUNT(*) AS n, status FROM orders GROUP BY status ORDER BY n", {"status": []}),
    ("SELECT o.total FROM orders o WHERE o.location.aisle = 'A7'", {"total": [], "location.aisle": ["A7"]}),
    ("SELECT * FROM orders AS o WHERE o.status = 'x' AND orders.tax = 1", {"status": ["x"], "tax": [1]}),
    ("SELECT * FROM `orders` WHERE `order` = 'it\\'s' AND m.`by` = TRUE", {"order": ["it's"], "m.by": [True]}),
    ("SELECT * FROM orders WHERE tax + total[0] = 5 AND NOT status IS NULL", {"tax": [], "total": [], "status": []}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "named"), QUERIES, ids=[row[0] for row in QUERIES])
def test_the_fields_that_a_query_names(query: str, named: dict[str, list[Any]]) -> None:
    assert fields_named(query) == named


def test_a_query_without_its_end_is_looked_at_all_the_same() -> None:
    assert fields_named("SELECT * FROM orders WHERE status IN ('open'") == {"status": ["open"]}


def test_the_shipped_queries_name_fields_and_values(model: Model) -> None:
    """And Ditto's own _id is no field of the model."""
    shipped: Subscriptions = load_subscriptions(model)
    by_name = {query.name: query for query in shipped.queries}
    assert by_name["orders_to_pick"].fields == {
        "store_id": [], "status": ["pending"], "deleted": [False], "order_date": []
    }  # fmt: skip
    assert by_name["low_stock"].fields.keys() == {"store_id", "stock_level", "reorder_threshold", "deleted"}
    query = by_name["order"].model_copy(update={"query": "SELECT * FROM orders WHERE _id.store_id = :x AND _id = 'y'"})
    assert query.fields == {}
