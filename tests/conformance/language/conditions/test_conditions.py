"""Conditions: parsed from DQL, rejected with a fix, and translated to MongoDB and Ditto with the same meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from pymongo import MongoClient

from conformance.language.conditions.condition import (
    Always,
    Attribute,
    Comparison,
    Condition,
    Every,
    Parameter,
    Some,
    bind,
    comparisons,
    holds,
)
from conformance.language.conditions.parser import parse
from conformance.language.conditions.translation import to_dql, to_mongo
from conformance.text.paths import value_at
from edge.store.store import Store
from tests.profiles import examples

A = Comparison("a", "=", 1)
B = Comparison("b", "=", "x")

READ = [
    ("a = 1", A),
    ("a == 1", A),
    ("a=1", A),
    ("`a` = 1", A),
    ("a = -1.5e2", Comparison("a", "=", -150.0)),
    ("a != 1", Comparison("a", "!=", 1)),
    ("a <> 1", Comparison("a", "!=", 1)),
    ("a = TRUE", Comparison("a", "=", True)),
    ("a.b = false", Comparison("a.b", "=", False)),
    ("`order`.`by` = 'x'", Comparison("order.by", "=", "x")),
    ("a = 'it\\'s'", Comparison("a", "=", "it's")),
    ('a = "it\'s"', Comparison("a", "=", "it's")),
    ("a = :id", Comparison("a", "=", Parameter("id"))),
    ("a = $user.store_id", Comparison("a", "=", Attribute("store_id"))),
    ("a IN :ids", Comparison("a", "IN", Parameter("ids"))),
    ("a in ('x', 'y')", Comparison("a", "IN", ("x", "y"))),
    ("a IN ('x')", Comparison("a", "IN", ("x",))),
    ("a IN ($user.a, 1)", Comparison("a", "IN", (Attribute("a"), 1))),
    ("a = 1 AND b = 'x'", Every((A, B))),
    ("a = 1 or b = 'x'", Some((A, B))),
    ("a = 1 OR b = 'x' AND a = 1", Some((A, Every((B, A))))),
    ("(a = 1 OR b = 'x') AND a = 1", Every((Some((A, B)), A))),
    ("((a = 1))", A),
    ("true", Always(True)),
    ("FALSE", Always(False)),
    (" a\n=\t1 ", A),
]


@pytest.mark.parametrize(("text", "condition"), READ, ids=[row[0] for row in READ])
def test_condition_is_parsed(text: str, condition: Condition) -> None:
    assert parse(text) == condition


REFUSED = [
    ("order_id IN (SELECT order_id FROM orders WHERE store_id = $user.store_id)", "DQL has no subquery"),
    ("a IN SELECT b FROM c", "DQL has no subquery"),
    ("a IN (:ids)", "IN (:ids) finds nothing in DQL; write IN :ids and give a list"),
    ("a IN ('x', :ids)", "IN (:ids) finds nothing in DQL"),
    ("a IN ('x', 1)", "IN with values of several types finds nothing in DQL"),
    ("a IN (true, 1)", "IN with values of several types finds nothing in DQL"),
    ("a IN 'x'", "IN needs a list"),
    ("a IN $user.ids", "IN needs a list"),
    ("a IN ()", "found ); expected a value"),
    ("a IN ('x'", "found the end; expected a closing parenthesis"),
    ("a LIKE 'x%'", "LIKE is not for conditions here"),
    ("a BETWEEN 1 AND 2", "BETWEEN is not for conditions here"),
    ("a IS NULL", "IS is not for conditions here"),
    ("a = NULL", "NULL is not supported"),
    ("NOT a = 1", "NOT is not supported; use !="),
    ("a NOT IN :ids", "NOT is not supported; use !="),
    ("a < 1", "found <; expected =, != or IN"),
    ("a >= 1", "found >=; expected =, != or IN"),
    ("a = b", "found b; expected a value"),
    ("1 = a", "found 1; expected a field"),
    ("a =", "found the end; expected a value"),
    ("a", "found the end; expected =, != or IN"),
    ("", "found the end; expected a field"),
    ("a = 1 AND", "found the end; expected a field"),
    ("(a = 1", "found the end; expected a closing parenthesis"),
    ("a = 1)", "found ); expected AND, OR or the end"),
    ("a = 1 b = 2", "found b; expected AND, OR or the end"),
    ("a = 1 ORDER BY a", "no JOIN, alias, GROUP BY, ORDER BY, LIMIT or OFFSET"),
    ("a = 1 LIMIT 5", "no JOIN, alias, GROUP BY, ORDER BY, LIMIT or OFFSET"),
    ("a = 'x", "is not part of a condition"),
    ("a = 1 && b = 2", "'&& b = 2' is not part of a condition"),
    ("a = $user", "'$user' is not part of a condition"),
    ("a = {}", "'{}' is not part of a condition"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_invalid_condition_is_one_error(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse(text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "missing", [{}, {Attribute("id"): None}, {Attribute("id"): {"$ne": 1}}, {Attribute("id"): ["x"]}]
)
@pytest.mark.parametrize("text", ["a = $user.id", "a != $user.id", "a IN ($user.id)"])
def test_missing_parameter_selects_no_document(text: str, missing: Mapping[Any, Any]) -> None:
    """An invalid value selects none either: an object could be an operator."""
    assert bind(parse(text), missing) == Always(False)


@pytest.mark.parametrize(
    ("given", "bound"), [(["x", "y"], ("x", "y")), (["x", None, {"$gt": ""}], ("x",)), (("x",), ("x",))]
)
def test_list_parameter_is_bound_without_invalid_values(given: Any, bound: tuple[str, ...]) -> None:
    assert bind(parse("a IN :ids"), {Parameter("ids"): given}) == Comparison("a", "IN", bound)


@pytest.mark.parametrize("given", [[], [None], "x", 1, None, ["x", 1], [True, 1]])
def test_invalid_list_parameter_selects_no_document(given: Any) -> None:
    assert bind(parse("a IN :ids"), {Parameter("ids"): given}) == Always(False)


FILTERS = [
    ("a = 1", {"a": 1}),
    ("a != 1", {"a": {"$ne": 1, "$type": "number"}}),
    ("a != 'x'", {"a": {"$ne": "x", "$type": "string"}}),
    ("a != true", {"a": {"$ne": True, "$type": "bool"}}),
    ("a IN (1, 2)", {"a": {"$in": [1, 2]}}),
    ("a IN :ids", {"a": {"$in": "$$ids"}}),
    ("a = :id AND b = 'x'", {"a": "$$id", "b": "x"}),
    ("a = 1 AND a = 2", {"$and": [{"a": 1}, {"a": 2}]}),
    ("a = 1 OR b = 'x'", {"$or": [{"a": 1}, {"b": "x"}]}),
    ("(a = 1 OR b = 'x') AND c = 1", {"$and": [{"$or": [{"a": 1}, {"b": "x"}]}, {"c": 1}]}),
    ("true", {}),
    ("false", {"_id": {"$in": []}}),
]


@pytest.mark.parametrize(("text", "wanted"), FILTERS, ids=[row[0] for row in FILTERS])
def test_condition_is_translated_to_mongodb(text: str, wanted: Mapping[str, Any]) -> None:
    assert to_mongo(parse(text)) == wanted


def test_condition_is_translated_to_ditto() -> None:
    """Names are quoted, since they may be keywords; values are arguments, since they may be anything."""
    condition = parse("(`order` = 'it\\'s' OR m.x != 2) AND b IN (1, 2)")
    assert to_dql(condition) == (
        "((`order` = :value_0 OR `m`.`x` != :value_1) AND array_contains(:value_2, `b`))",
        {"value_0": "it's", "value_1": 2, "value_2": [1, 2]},
    )
    assert [to_dql(Always(holds)) for holds in (True, False)] == [("true", {}), ("false", {})]


# -- three readings of one condition: Python's, the server's, the store's ---------------------------------------------


def kind(value: Any) -> str:
    """Return the type of a value: integers and doubles are one type, and booleans another."""
    return "number" if type(value) in (int, float) else type(value).__name__


ASKED = "SELECT _id FROM things WHERE "
PATHS = ("a", "b", "m.x")
VALUES = (1, 2, 2.0, "x", "it's `odd`", "", True, False)
#: Every combination of a few states of each field, absent and null among them.
STATES: tuple[Any, ...] = (..., None, *VALUES)
DOCUMENTS = [
    {"_id": f"{one}-{two}", **({} if a is ... else {"a": a}), **({} if b is ... else {"b": b, "m": {"x": b}})}
    for one, a in enumerate(STATES)
    for two, b in enumerate(STATES)
]

single = st.builds(Comparison, st.sampled_from(PATHS), st.sampled_from(("=", "!=")), st.sampled_from(VALUES))
lists = st.one_of(
    *(
        st.lists(st.sampled_from([one for one in VALUES if kind(one) == each]), min_size=1, max_size=3).map(tuple)
        for each in ("number", "str", "bool")
    )
)
several = st.builds(Comparison, st.sampled_from(PATHS), st.just("IN"), lists)
conditions = st.recursive(
    single | several | st.builds(Always, st.booleans()),
    lambda inner: (
        st.builds(Every, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Some, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The real store with the documents."""
    with Store.open(tmp_path_factory.mktemp("conditions")) as opened:
        opened.insert("things", DOCUMENTS)
        yield opened


@pytest.fixture(scope="module")
def things(server: MongoClient[Any]) -> Iterator[Any]:
    """A MongoDB collection with the documents."""
    server.drop_database("conditions")
    server["conditions"]["things"].insert_many(DOCUMENTS)
    yield server["conditions"]["things"]
    server.drop_database("conditions")


def by_path(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a document by path."""
    return {path: value_at(document, path) for path in PATHS}


@examples(60)
@given(condition=conditions)
def test_server_and_store_select_the_same_documents(store: Store, things: Any, condition: Condition) -> None:
    wanted = {document["_id"] for document in DOCUMENTS if holds(condition, by_path(document))}
    text, arguments = to_dql(condition)
    note(f"{text} {arguments} {to_mongo(condition)}")
    assert {row["_id"] for row in things.find(to_mongo(condition), {"_id": 1})} == wanted
    assert {row["_id"] for row in store.execute(ASKED + text, arguments)} == wanted
    assert bind(condition, {}) == condition
    assert all(comparison.path in PATHS for comparison in comparisons(condition))


def test_sample_documents_distinguish_conditions() -> None:
    """If a condition selected all or no sample documents, the property would hold trivially."""
    sizes = {
        len([one for one in DOCUMENTS if holds(parse(text), by_path(one))]) for text, _ in FILTERS if ":" not in text
    }
    assert sizes >= {0, len(DOCUMENTS)}
    assert len(sizes) > 4
