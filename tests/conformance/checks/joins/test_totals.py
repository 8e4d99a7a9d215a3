"""Totals and counts of children that a parent stores."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Decimal128, Int64
from pymongo.database import Database

from conformance.checks.joins.join import Pass
from conformance.model.collection import Model
from conformance.rules.catalogue import all_rules
from tests.conformance.checks.joins.shipped_rules import (
    COUNT,
    EMAIL,
    ORDER,
    Document,
    line,
    numbered,
    order,
    samples_of,
)
from tests.conformance.rules.finding import Finding
from tests.validation import context_for, run_rules

SUBTOTAL = "totals.orders.subtotal"


def test_total_over_all_or_over_live_children_is_accepted(found: Finding) -> None:
    """Deleted lines may count or not; any other sum is wrong."""
    lines = [*(line(one) for one in "abc"), *(line(one, 2, deleted=True) for one in "abc"), line("d", deleted=True)]
    orders = [order("a", subtotal=3.3), order("b", subtotal=1.1), order("c", subtotal=2.2), order("d", subtotal=0)]
    outcome = found(SUBTOTAL, orders=numbered(*orders), order_items=numbered(*lines))
    assert (outcome.examined, outcome.violations) == (4, 1)
    assert samples_of(outcome) == [
        (
            2,
            "subtotal is 2.2; expected 3.3, the total of all its order_items, including soft-deleted ones (1.1 too"
            " low)",
        )
    ]


def test_wrong_count_of_children_is_reported(found: Finding) -> None:
    orders = [order("a", item_count=2), order("b", item_count=1), order("c", item_count=3), order("none", item_count=0)]
    lines = [line(one) for one in "aabbcc"]
    outcome = found(COUNT, orders=numbered(*orders), order_items=numbered(*lines))
    assert samples_of(outcome) == [
        (1, "item_count is 1; expected 2, the number of its order_items (1 too low)"),
        (2, "item_count is 3; expected 2, the number of its order_items (1 too high)"),
    ]


@pytest.mark.parametrize(
    ("subtotal", "wrong"), [(10.0, False), (10.01, True), (9.99, True), (10.001, False), (10, False)]
)
def test_total_off_by_one_cent_is_reported(subtotal: float, wrong: bool, found: Finding) -> None:
    lines = [line("a", 3, 3.0), line("a", 2, 0.5)]
    outcome = found(SUBTOTAL, orders=numbered(order("a", subtotal=subtotal)), order_items=numbered(*lines))
    assert outcome.violations == int(wrong)


@pytest.mark.parametrize(("more", "wrong"), [(1e-6, False), (1.0000001e-6, True)])
def test_rounding_error_of_a_sum_is_accepted(more: float, wrong: bool, found: Finding) -> None:
    outcome = found(COUNT, orders=numbered(order("a", item_count=more)), order_items=numbered(line("b")))
    assert outcome.violations == int(wrong)


@pytest.mark.parametrize(
    ("orders", "lines"),
    [
        ([order("a", subtotal=5)], [line("a", "2")]),
        ([order("a", subtotal=5)], [line("a"), line("a", unit_price=None)]),
        ([order("a", subtotal="5")], [line("a")]),
        ([order("a")], [line("a")]),
        ([order("a", subtotal=5), order("a", subtotal=6)], [line("a")]),
        ([order("b", subtotal=1.1)], [line("b"), line("a")]),
    ],
    ids=["text for a number", "null for a price", "a total that is text", "no total", "two parents", "no parent"],
)
def test_values_that_are_not_numbers_are_ignored_in_totals(
    orders: list[Document], lines: list[Document], found: Finding
) -> None:
    assert found(SUBTOTAL, orders=numbered(*orders), order_items=numbered(*lines)).violations == 0


def test_decimal_price_is_added_up(found: Finding) -> None:
    lines = [line("a", 1, Decimal128("1.10")), line("a", 1, 2.0)]
    outcome = found(SUBTOTAL, orders=numbered(order("a", subtotal=3.2)), order_items=numbered(*lines))
    assert samples_of(outcome) == [(0, "subtotal is 3.2; expected 3.1, the total of its order_items (0.1 too high)")]


@pytest.mark.parametrize(("own", "other"), [("x", ["x"]), (7, [7]), (["x"], "x")])
def test_list_that_contains_the_key_has_a_separate_total(own: Any, other: Any, found: Finding) -> None:
    orders, lines = [order(other, item_count=1), order(own, item_count=3)], [line(own), line(other)]
    outcome = found(COUNT, orders=numbered(*orders), order_items=numbered(*lines))
    assert samples_of(outcome) == [(1, "item_count is 3; expected 1, the number of its order_items (2 too high)")]


@pytest.mark.parametrize("keys", [(7, 7.0), (7.0, 7), (Int64(7), 7), (Decimal128("7"), 7)])
def test_equal_numbers_of_different_types_are_one_key(keys: tuple[Any, Any], found: Finding) -> None:
    parent, child = keys
    outcome = found(COUNT, orders=[order(parent, item_count=3)], order_items=[line(child)])
    assert [sample.why for sample in outcome.samples] == [
        "item_count is 3; expected 1, the number of its order_items (2 too high)"
    ]
    customer = {"customer_id": child, "name": "Ann", "email": "a@b.c"}
    outcome = found(EMAIL, customers=[customer], orders=[{"customer_id": parent, "customer_email": "x@b.c"}])
    assert [sample.why for sample in outcome.samples] == [
        'customer_email is "x@b.c"; expected "a@b.c", as in customers'
    ]


def test_wrong_totals_are_counted_beyond_the_samples(found: Finding) -> None:
    """Samples are in the order of the key."""
    outcome = found(
        COUNT, orders=numbered(*(order(f"o{9 - n}", item_count=1) for n in range(7))), order_items=[line("x")]
    )
    assert (outcome.violations, [sample.id for sample in outcome.samples]) == (7, [6, 5, 4, 3, 2])


@pytest.mark.parametrize("rule", ["discount_amount", "discount_amount+unit_price"])
def test_rule_on_an_absent_field_is_skipped(rule: str, found: Finding) -> None:
    priced = line("a", 2, 1.0, discount_percent=10)
    outcome = found(f"totals.order_items.{rule}", order_items=numbered(priced))
    assert outcome.skipped is not None
    assert outcome.skipped.startswith("no document of order_items has discount_amount")
    lines = numbered(priced, priced | {"discount_amount": 0.2}, priced | {"discount_amount": 3.0})
    outcome = found(f"totals.order_items.{rule}", order_items=lines)
    assert (outcome.skipped, outcome.examined, outcome.violations) == (None, 2, 1)
    assert [sample.id for sample in outcome.samples] == [2]


@pytest.mark.parametrize(
    ("price", "percent", "discount", "wrong"),
    [
        (3.75, 9.2, 0.35, False),  # 34.5 cents, and 34.49999999999999 in doubles
        (3.75, 9.2, 0.34, False),
        (3.75, 9.2, 0.36, True),
        (3.75, 9.2, 0.33, True),
        (0.01, 50, 0.01, False),  # a tie in doubles too
        (0.01, 50, 0.0, True),
        (0.05, 50, 0.02, True),  # rounded half to even
        (3.75, 9.1, 0.34, False),
        (3.75, 9.1, 0.35, True),
    ],
)
def test_tie_hidden_by_doubles_may_be_rounded_either_way(
    price: float, percent: float, discount: float, wrong: bool, found: Finding
) -> None:
    item = line("o", 1, price, discount_percent=percent, discount_amount=discount)
    outcome = found("totals.order_items.discount_amount", order_items=numbered(item))
    assert outcome.violations == wrong


@pytest.mark.parametrize("fixed", [True, False])
def test_documents_written_during_the_pass_are_examined_again(
    fixed: bool, model: Model, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass read the order's total before a transaction that added a line, and the line after it."""
    database["orders"].insert_one(order("a", item_count=1) | {"_id": 1})
    database["order_items"].insert_many(numbered(line("a"), line("a")))
    once = Pass.rows

    def rows(self: Pass, *arguments: Any) -> list[Any]:
        found = once(self, *arguments)
        if fixed:
            database["orders"].update_one({"_id": 1}, {"$set": {"item_count": 2}})
        return found

    monkeypatch.setattr(Pass, "rows", rows)
    context = context_for(model, database)
    every = {rule.id: rule for rule in all_rules(model, context.configuration)}
    outcomes = run_rules([every[ORDER], every[COUNT]], context)
    assert {name: found.violations for name, found in outcomes.items()} == {ORDER: 0, COUNT: 0 if fixed else 1}
