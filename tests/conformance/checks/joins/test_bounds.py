"""Bounds of a field that depend on the referenced document."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128
from pymongo.database import Database

from conformance.checks.key_range import Partition
from conformance.model.collection import Model
from conformance.rules.data import business
from tests.conformance.checks.joins.shipped_rules import PRICE, Document, numbered, samples_of
from tests.conformance.rules.finding import Finding
from tests.models import collection_of, model_of
from tests.validation import context_for, run_rules

DATE = "business.orders.order_date+customer_id"


# -- bounds -----------------------------------------------------------------------------------------------------------


DAY = "2024-05-0{}T00:00:00Z"


def test_child_created_before_its_parent_is_reported(found: Finding) -> None:
    """The same time is accepted; invalid dates and missing parents are reported by other rules."""
    customers = [("a", DAY.format(3)), ("b", "yesterday"), ("c", None), ("d", DAY.format(9))]
    days = [("a", 2), ("a", 3), ("a", 4), ("b", 1), ("c", 1), ("none", 1), ("d", 8)]
    orders = [*((one, DAY.format(day)) for one, day in days), ("a", 7), ("a", "2024")]
    outcome = found(
        DATE,
        customers=numbered(*({"customer_id": one, "created_at": when} for one, when in customers)),
        orders=numbered(*({"customer_id": one, "order_date": when} for one, when in orders)),
    )
    assert (outcome.examined, outcome.violations) == (6, 2)
    assert samples_of(outcome) == [
        (0, f'order_date is "{DAY.format(2)}"; expected at least {DAY.format(3)}'),
        (6, f'order_date is "{DAY.format(8)}"; expected at least {DAY.format(9)}'),
    ]


@pytest.mark.parametrize(
    ("store", "price", "limits"),
    [
        ("store_spokane", 9.0, None),
        ("store_spokane", 11.0, None),
        ("store_spokane", 8.99, "at least 9 and at most 11"),
        ("store_spokane", 11.01, "at least 9 and at most 11"),
        ("store_seattle", 13.0, None),
        ("store_seattle", 11.01, "at least 11.7 and at most 14.3"),
        ("store_seattle", 14.31, "at least 11.7 and at most 14.3"),
        ("store_spokane", "99", None),
        ("store_spokane", None, None),
    ],
)
def test_price_outside_of_the_limits_is_reported(store: str, price: Any, limits: str | None, found: Finding) -> None:
    items = [{"product_id": "p", "store_id": store, "unit_price": price}, {"product_id": "none", "unit_price": 1.0},
             {"product_id": "q", "store_id": store, "unit_price": 1.0}, {"product_id": "q"},
             {"product_id": None, "store_id": store, "unit_price": 99.0}]  # fmt: skip
    products = [{"product_id": "p", "base_price": 10.0}, {"product_id": "q", "base_price": "1"}, {"base_price": 1.0},
                {"product_id": None, "base_price": 1.0}]  # fmt: skip
    outcome = found(PRICE, order_items=numbered(*items), products=numbered(*products))
    assert outcome.examined == int(isinstance(price, float))
    assert samples_of(outcome) == ([] if limits is None else [(0, f"unit_price is {price}; expected {limits}")])


def test_price_is_compared_with_the_parameter_of_its_store(found: Finding) -> None:
    """The lowest price of one store and the highest of another are two groups."""
    items = [("store_spokane", 9.0), ("store_spokane", 14.0), ("store_seattle", 14.0), ("store_seattle", 9.0)] * 2
    documents = [{"product_id": "p", "store_id": store, "unit_price": price} for store, price in items]
    outcome = found(PRICE, order_items=numbered(*documents), products=numbered({"product_id": "p", "base_price": 10.0}))
    assert (outcome.violations, [sample.id for sample in outcome.samples]) == (4, [1, 3, 5, 7])


@pytest.mark.parametrize(("prices", "broken"), [((9.0, 8.0), [1]), ((12.0, 10.0), [0]), ((8.0, 10.0, 12.0), [0, 2])])
def test_single_wrong_price_is_reported(prices: tuple[float, ...], broken: list[int], found: Finding) -> None:
    items = [{"product_id": "p", "store_id": "store_spokane", "unit_price": price} for price in prices]
    outcome = found(PRICE, order_items=numbered(*items), products=numbered({"product_id": "p", "base_price": 10.0}))
    assert [sample.id for sample in outcome.samples] == broken


def test_wrong_prices_are_ordered_by_key(found: Finding) -> None:
    """Each of many wrong prices is counted once, also if the prices of a product are in two groups."""
    keys = [f"p{number:04}" for number in range(2_000)]
    items = [{"_id": key, "product_id": key, "store_id": "store_spokane", "unit_price": 1.0} for key in reversed(keys)]
    items.append({"_id": "more", "product_id": keys[999], "store_id": "store_seattle", "unit_price": 1.0})
    outcome = found(
        PRICE, order_items=items, products=numbered(*({"product_id": key, "base_price": 10.0} for key in keys))
    )
    assert (outcome.violations, [sample.id for sample in outcome.samples]) == (2_001, keys[:5])


@pytest.mark.parametrize(("order", "violations"), [((1, 0), 1), ((0, 1), 0)])
def test_first_of_two_parents_with_the_same_key_decides(
    order: tuple[int, int], violations: int, found: Finding
) -> None:
    """Another rule reports the duplicate."""
    customers = numbered(*({"customer_id": "a", "created_at": DAY.format((1, 9)[one])} for one in order))
    orders = numbered({"customer_id": "a", "order_date": DAY.format(5)})
    assert found(DATE, customers=customers, orders=orders).violations == violations
    products = numbered(*({"product_id": "p", "base_price": (10.0, 20.0)[one]} for one in order))
    items = numbered({"product_id": "p", "store_id": "store_spokane", "unit_price": 10.0})
    assert found(PRICE, products=products, order_items=items).violations == violations


BOUND = """
bounds:
  - {{field: children.n, family: business, {}, title: T}}
"""


def bounded(folder: Path, limits: str) -> Model:
    """Return a model of children whose n has limits."""
    key, number = {"type": "string", "maxLength": 9}, {"type": "integer"}
    parents = {"key": key | {"x-unique": True}, "least": number, "most": number}
    children = {"parent": key | {"x-reference": "parents.key"}, "n": number, "own": number}
    model = model_of(folder, {"parents": collection_of(parents), "children": collection_of(children)})
    (folder / "config" / "rules.yaml").write_text(BOUND.format(limits), encoding="utf-8")
    return model


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("at_least: parent.least", dict.fromkeys((2, 4), "at least 1")),
        ("at_most: parent.most", dict.fromkeys((1, 5), "at most 5")),
        ("at_least: parent.least, at_most: parent.most", dict.fromkeys((1, 2, 4, 5), "at least 1 and at most 5")),
    ],
)
def test_limits_from_the_parent_only_are_applied(
    limits: str, expected: dict[int, str], tmp_path: Path, database: Database[Document]
) -> None:
    context = context_for(bounded(tmp_path, limits), database)
    database["parents"].insert_many({"key": one, "least": 1, "most": 5} for one in "abcd")
    values = [("a", 3), ("a", 6), ("b", 0), ("b", 3), ("c", 0), ("c", 6), ("d", 1), ("d", 5), ("none", 9)]
    database["children"].insert_many(numbered(*({"parent": one, "n": n} for one, n in values)))
    (outcome,) = run_rules(business.rules(context.model, context.configuration), context).values()
    assert (outcome.examined, outcome.violations) == (8, len(expected))
    assert samples_of(outcome) == [(one, f"n is {values[one][1]}; expected {limit}") for one, limit in expected.items()]


def test_limits_from_the_child_and_the_parent_are_applied(tmp_path: Path, database: Database[Document]) -> None:
    """Each child is examined in one part of a partitioned run; one without a parent has its own limit."""
    context = context_for(bounded(tmp_path, "at_least: own, at_most: parent.most"), database)
    database["parents"].insert_many({"key": one, "most": 5} for one in "abcd")
    values = [(one, n) for one in ("a", "b", "c", "d", "none") for n in (3, 4, 6)]
    database["children"].insert_many(numbered(*({"parent": one, "n": n, "own": 4} for one, n in values)))
    parts = [replace(context, partition=Partition(number, 2), ranges={}) for number in (1, 2)]
    first, second, whole = (
        next(iter(run_rules(business.rules(one.model, one.configuration), one).values())) for one in (*parts, context)
    )
    assert (whole.examined, whole.violations) == (15, 9)
    assert [sample.id for sample in whole.samples] == [0, 2, 3, 5, 6]
    assert (first.examined, first.violations) == (6, 4)
    assert (second.examined, second.violations) == (9, 5)


def test_constant_limit_applies_to_children_with_a_parent(tmp_path: Path, database: Database[Document]) -> None:
    """The other limit comes from the parent; another rule reports a missing parent."""
    context = context_for(bounded(tmp_path, "at_least: '2', at_most: parent.most"), database)
    database["parents"].insert_one({"key": "a", "most": 5})
    values = [("none", 1), ("a", 1), ("a", 2), ("a", 6), ("none", 6)]
    database["children"].insert_many(numbered(*({"parent": one, "n": n} for one, n in values)))
    (outcome,) = run_rules(business.rules(context.model, context.configuration), context).values()
    assert (outcome.examined, outcome.violations, [sample.id for sample in outcome.samples]) == (3, 2, [1, 3])


def test_limit_that_cannot_be_computed_is_ignored(tmp_path: Path, database: Database[Document]) -> None:
    """The documents family reports it; the other limit still applies."""
    context = context_for(bounded(tmp_path, "at_least: parent.least * 2, at_most: parent.most * 2 - own"), database)
    database["parents"].insert_many([{"key": "a", "least": 2, "most": "5"}, {"key": "b", "least": Decimal128("1")}])
    values = [("a", 3, 1), ("a", 99, 1), ("b", 1, 1), ("b", 2, "x")]
    database["children"].insert_many(numbered(*({"parent": one, "n": n, "own": own} for one, n, own in values)))
    (outcome,) = run_rules(business.rules(context.model, context.configuration), context).values()
    assert (outcome.examined, outcome.violations) == (4, 2)
    assert samples_of(outcome) == [(0, "n is 3; expected at least 4"), (2, "n is 1; expected at least 2")]


def test_child_without_a_reference_has_no_parent(tmp_path: Path, database: Database[Document]) -> None:
    """A parent without a key, or with a null key, is not its parent."""
    context = context_for(bounded(tmp_path, "at_least: own, at_most: parent.most"), database)
    database["parents"].insert_many([{"most": 5}, {"key": None, "most": 5}])
    children = [{"n": 6, "own": 7}, {"parent": None, "n": 6, "own": 7}, {"n": 6, "own": 1}, {"parent": None, "n": 6}]
    database["children"].insert_many(numbered(*children))
    (outcome,) = run_rules(business.rules(context.model, context.configuration), context).values()
    assert samples_of(outcome) == [(0, "n is 6; expected at least 7"), (1, "n is 6; expected at least 7")]
