"""Joins in columns suspect every key whose documents may violate a rule, and few others."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from bson import Decimal128, ObjectId

from conformance.checks.base import Document, Found
from conformance.checks.joins.columns import Family, Parents, Question
from conformance.checks.joins.join import Column
from conformance.checks.joins.sums import TOLERANCE
from conformance.checks.survey import _Deleted
from conformance.columns.expressions import truth
from conformance.columns.values import values_at
from tests.conformance.columns.test_unusual import LINES, TOTAL, batch_of, found_by, suspects

MISSING = Question((True, {"$eq": [{"$type": "$_order._id"}, "missing"]}))


def test_keys_of_both_types_are_suspects_as_they_are() -> None:
    lines = [{"order": key} for key in ("x", 5, "y", 7.0, "")]
    assert suspects([{"_id": "x"}, {"_id": 5}], lines, MISSING) == ["y", 7, ""]


def test_child_is_suspect_where_its_copy_is_not_known() -> None:
    differs = Question((True, {"$ne": ["$name", "$_order.name"]}))
    orders = [{"_id": 1, "name": "x" * 600}, {"_id": 2, "name": "y"}]
    lines = [{"order": 1, "name": "x" * 601}, {"order": 2, "name": "y"}]
    assert suspects(orders, lines, differs) == [1]


def test_what_is_no_number_adds_nothing_to_a_total() -> None:
    orders = [{"_id": 1, "total": 2}, {"_id": 2, "total": 1}, {"_id": 3}]
    lines = [{"order": order, "n": n} for order in (1, 2, 3) for n in (1, "text", None)]
    assert suspects(orders, lines, TOTAL) == [1, 3]


@pytest.mark.parametrize(("off", "found"), [(1.5, [1]), (1.1, [1]), (0.6, [1]), (0.4, [])])
def test_total_that_is_off_by_more_than_half_of_what_it_may_is_suspect(off: float, found: list[int]) -> None:
    assert suspects([{"_id": 1, "total": 0.5 + off * TOLERANCE}], [{"order": 1, "n": 0.5}], TOTAL) == found


@pytest.mark.parametrize(("share", "found"), [(0.9, []), (1.1, [1])])
def test_total_is_suspect_once_rounding_may_come_to_a_quarter_of_the_tolerance(share: float, found: list[int]) -> None:
    """Each of the two numbers may be rounded, and their sum."""
    largest = TOLERANCE / 4 / sys.float_info.epsilon / 3 / 2
    number = np.floor(share * largest) + 0.5
    assert suspects([{"_id": 1, "total": number}], [{"order": 1, "n": number}], TOTAL) == found


def test_values_of_parents_do_not_stay_in_a_batch() -> None:
    parents = Parents("orders", "_id")
    family = Family("check", LINES, {"rule": Question((True, {"$eq": ["$_order.name", "x"]}))}, parents)
    parents.take(batch_of({"_id": 1, "name": "x"}))
    parents.finish()
    batch = batch_of({"order": 1})
    family.take(batch)
    assert values_at(batch, "_order.name").codes.tolist() == [0]
    assert not truth({"$eq": ["$_order.name", "x"]}, batch)[0].any()


def test_constants_are_added_for_each_child_and_for_each_parent() -> None:
    orders, lines = [{"_id": n} for n in (1, 2, 3)], [{"order": n} for n in (1, 1, 2, 2, 2, 3)]
    two_each = Question(None, [("all", "all")], {"all": Column("$sum", 1, -2)})
    assert suspects(orders, lines, two_each) == [2, 3]


def test_each_of_several_questions_is_answered() -> None:
    parents = Parents("orders", "_id")
    family = Family("check", LINES, {"total": TOTAL, "missing": MISSING, "none": Question((False, True))}, parents)
    found = found_by(family, parents, [{"_id": 1, "total": 1}], [{"order": 1, "n": 1}, {"order": 2, "n": 1}])
    assert found == Found({"total": 1, "missing": 2, "none": 0}, [2])


def test_children_without_a_parent_count_for_no_total() -> None:
    assert suspects([{"_id": 1, "total": 0}], [{"order": 9, "n": Decimal128("1")}], TOTAL) == []
    assert suspects([{"_id": 1, "total": 0}], [{"order": n, "n": 1} for n in range(2, 9)], TOTAL) == []


def test_parents_without_a_key_and_sums_that_are_no_number_have_no_total() -> None:
    parents = Parents("orders", "number")
    family = Family("check", replace(LINES, target_field="number"), {"rule": TOTAL}, parents)
    orders = [{"total": 5}, {"number": 1.0, "total": 5}, {"number": 2, "total": 5}]
    assert found_by(family, parents, orders, [{"order": 2, "n": float("nan")}]) == Found({"rule": 1}, [1])


@pytest.mark.parametrize("order", [{"_id": ObjectId(), "total": 1}, {"_id": 1, "total": "text"}])
def test_parent_that_cannot_be_compared_leaves_the_children_to_the_server(order: Document) -> None:
    assert suspects([order], [{"order": 1, "n": 1}], TOTAL) is None


@pytest.mark.parametrize(
    ("field", "question"), [("orders[]", MISSING), ("orders.*.order", MISSING), ("order", Question(None))]
)
def test_what_is_not_asked_of_one_child_and_its_parent_is_left_to_the_server(field: str, question: Question) -> None:
    parents = Parents("orders", "_id")
    family = Family("check", replace(LINES, field=field), {"rule": question}, parents)
    parents.take(batch_of({"_id": 1}))
    parents.finish()
    assert parents.is_known
    assert not family.is_ready


def test_children_without_a_key_are_not_examined() -> None:
    parents = Parents("orders", "_id")
    family = Family("check", LINES, {"rule": MISSING}, parents)
    lines = [{"order": None}, {"order": 0}, {"order": 1}]
    assert found_by(family, parents, [{"_id": 1}], lines) == Found({"rule": 2}, [0])
    assert suspects([{"_id": 0}, {"_id": "a"}], [{"order": key} for key in ("", "a", 0)], MISSING) == [""]


def test_keys_are_found_in_columns_of_another_width() -> None:
    orders, lines = [{"_id": "a", "total": 1}, {"_id": "b" * 20, "total": 0}], [{"order": "a", "n": 1}]
    assert suspects(orders, lines, MISSING) == []
    assert suspects(orders, lines, TOTAL) == []
    assert suspects(orders[:1], [*lines, {"order": "b" * 20, "n": 1}], MISSING) == ["b" * 20]


def test_document_that_is_marked_as_deleted_is_seen_where_others_have_no_mark() -> None:
    search = _Deleted("gone")
    seen = list[bool]()
    for document in ({"a": 1}, {"gone": False}, {"gone": True}, {"a": 1}):
        search.take(batch_of(document))
        seen.append(search.any)
    assert seen == [False, False, True, True]
