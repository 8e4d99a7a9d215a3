"""The fields that a statement names, the values it compares them with, and tests that never match."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.ditto.subscriptions import Subscriptions, load_subscriptions
from conformance.language.dql.fields import fruitless, named_fields, placeholders, surprising, unsupported_joins
from conformance.language.dql.parser import parse_statement
from conformance.model.collection import Model

QUERIES: list[tuple[str, dict[str, list[Any]]]] = [
    ("SELECT * FROM orders", {}),
    ("SELECT * FROM orders WHERE status = 'open' ORDER BY tax DESC LIMIT 20", {"status": ["open"], "tax": []}),
    ("select total from orders where deleted == false and tax <> 1.5", {"total": [], "deleted": [False], "tax": [1.5]}),
    ("SELECT * FROM stock WHERE a <= b AND c > 0 AND d != :d", {"a": [], "b": [], "c": [0], "d": []}),
    ("SELECT * FROM orders WHERE status IN ('open', 'paid') OR tax IN :list", {"status": ["open", "paid"], "tax": []}),
    ("SELECT * FROM orders WHERE lower(name) LIKE :words AND type(tax) = 'number'", {"name": [], "tax": []}),
    ("SELECT COUNT(*) AS n, status FROM orders GROUP BY status ORDER BY n", {"status": []}),
    ("SELECT o.total FROM orders o WHERE o.location.aisle = 'A7'", {"total": [], "location.aisle": ["A7"]}),
    ("SELECT * FROM orders AS o WHERE o.status = 'x' AND orders.tax = 1", {"status": ["x"], "orders.tax": [1]}),
    ("SELECT * FROM `orders` WHERE `order` = 'it\\'s' AND m.`by` = TRUE", {"order": ["it's"], "m.by": [True]}),
    ("SELECT * FROM orders WHERE tax + total[0] = 5 AND NOT status IS NULL", {"tax": [], "total": [], "status": []}),
    ("SELECT * FROM orders WHERE 'open' = status AND tax BETWEEN 1 AND 2", {"status": ["open"], "tax": [1, 2]}),
    ("SELECT * FROM orders WHERE order = 1 AND value IS MISSING", {"order": [1], "value": []}),
    ("SELECT * FROM orders WHERE ANY x IN tags SATISFIES x = 1 AND y = 2 END", {"tags": [], "y": [2]}),
    ("SELECT * FROM orders WHERE _id = 'a' AND _id.store_id = :s", {}),
    ("SELECT CASE status WHEN 'x' THEN tax END AS k FROM orders WHERE CAST(total AS INT) > 1",
     {"status": [], "tax": [], "total": []}),
    ("UPDATE orders SET tax = total + 1 UNSET note WHERE status NOT IN ('x')",
     {"tax": [], "total": [], "note": [], "status": ["x"]}),
    ("DELETE FROM orders WHERE status LIKE 'x%'", {"status": ["x%"]}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "named"), QUERIES, ids=[row[0] for row in QUERIES])
def test_fields_of_a_query_are_found(query: str, named: dict[str, list[Any]]) -> None:
    found: dict[str, list[Any]] = {}
    for one in named_fields(parse_statement(query)):
        found.setdefault(one.path, []).extend(one.values)
    assert found == named


def test_fields_of_a_join_belong_to_their_collections() -> None:
    statement = parse_statement(
        "SELECT o.order_id AS id, i.quantity FROM orders AS o LEFT JOIN order_items i ON i.order_id = o.order_id"
        " AND i.deleted = false WHERE o.status IN ('pending') ORDER BY id, i.quantity"
    )
    assert {(one.collection, one.path, one.operator, one.values) for one in named_fields(statement)} == {
        ("orders", "order_id", "", ()),
        ("order_items", "quantity", "", ()),
        ("order_items", "order_id", "=", ()),
        ("order_items", "deleted", "=", (False,)),
        ("orders", "status", "IN", ("pending",)),
    }


PARAMETERS: list[tuple[str, dict[str, bool | None]]] = [
    ("SELECT * FROM t WHERE a = :x AND b IN :list AND c LIKE :words", {"x": False, "list": True, "words": False}),
    ("SELECT * FROM t WHERE a IN (:x, :y) LIMIT :n OFFSET :m", {"x": False, "y": False, "n": None, "m": None}),
    ("SELECT * FROM t WHERE array_contains(:list, a) AND b > :x + 1", {"list": None, "x": None}),
    ("SELECT * FROM t WHERE a BETWEEN :low AND :high", {"low": False, "high": False}),
]


@pytest.mark.parametrize(("query", "named"), PARAMETERS, ids=[row[0] for row in PARAMETERS])
def test_parameters_of_a_query_are_found(query: str, named: dict[str, bool | None]) -> None:
    assert dict(placeholders(parse_statement(query))) == named


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("a IN ('x', 7)", "IN with values of several types"),
        ("a IN ['x', true]", "IN with values of several types"),
        ("a = NULL", "= NULL finds nothing"),
        ("NOT a != NULL", "!= NULL finds nothing"),
        ("a IN (1, 2.5)", None),
        ("a IS NULL", None),
    ],
)
def test_predicate_that_never_matches_is_reported(test: str, message: str | None) -> None:
    found = list(fruitless(parse_statement(f"SELECT * FROM t WHERE {test}")))  # noqa: S608 - of the table above
    assert [why for why in found if message is None or message not in why] == []
    assert bool(found) is (message is not None)


def test_substr_from_one_is_reported_and_from_zero_is_not() -> None:
    assert list(surprising(parse_statement("SELECT substr(d, 0, 7) AS m FROM t"))) == []
    (why,) = surprising(parse_statement("SELECT substr(d, 1, 7) AS m FROM t"))
    assert "counts from 0" in why


JOINS = [
    ("FROM a JOIN b ON b._id = a.k", True),
    ("FROM a JOIN b ON b.k = a.k", True),
    ("FROM a JOIN b ON b.k = a.k AND b.other = 1", True),
    ("FROM a JOIN b ON b.later = a.k", True),
    ("FROM a JOIN b ON b.other = a.k", False),
    ("FROM a JOIN b ON b.k > a.k", True),
    ("FROM a JOIN b ON b._id > a.k", False),
    ("FROM a JOIN b ON b.k BETWEEN a.k AND 7", True),
    ("FROM a JOIN b ON b.k LIKE a.k", False),
    ("FROM a JOIN b ON b.k != a.k", True),
    ("FROM a JOIN b ON NOT b.k = a.k", True),
    ("FROM a JOIN b ON NOT b._id = a.k", False),
    ("FROM a JOIN b ON lower(b.k) = a.k", False),
    ("FROM a JOIN b ON b.k = a.k + 1", True),
    ("FROM a JOIN b ON b.k = a.k OR b.other = 1", False),
    ("FROM a RIGHT JOIN b ON b.k = a.k", False),
    ("FROM a RIGHT JOIN b ON b.k = a._id", True),
    ("FROM a JOIN b AS x ON x.k IN (a.k, 1)", True),
    ("FROM a JOIN b ON a.k = 'z'", False),
]


@pytest.mark.ditto
@pytest.mark.parametrize(("words", "taken"), JOINS, ids=[row[0] for row in JOINS])
def test_join_without_an_index_is_reported_if_the_engine_rejects_it(tmp_path: Any, words: str, taken: bool) -> None:
    from edge.store.store import Store

    text = f"SELECT a.n {words}"
    assert (list(unsupported_joins(parse_statement(text), {"b": ["k", "later"]})) == []) is taken
    with Store.open(tmp_path) as store:
        store.execute("CREATE INDEX b_k ON b (k, later)")
        if taken:
            store.execute(text)
        else:
            with pytest.raises(Exception, match="without appropriate index"):
                store.execute(text)


def test_shipped_queries_name_existing_fields(model: Model) -> None:
    """No field is overlooked, and each exists in the model."""
    shipped: Subscriptions = load_subscriptions(model)
    for query in shipped.queries:
        named = {one.path for one in query.fields}
        assert {path for path in query.find or {} if path[0] != "$"} | set(query.sort) <= named, query.name
        assert all(model[one.collection].has(one.path) for one in query.fields), query.name
