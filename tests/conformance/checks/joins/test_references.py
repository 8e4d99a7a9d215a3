"""References by real aggregations: dangling children, deleted parents, and keys of any type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128, MaxKey, MinKey
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Model
from conformance.rules.catalogue import all_rules
from conformance.rules.data.references import rules
from tests.conformance.checks.joins.shipped_rules import (
    COUNT,
    ORDER,
    PRICE,
    Document,
    numbered,
    samples_of,
)
from tests.conformance.rules.finding import Finding
from tests.models import ABSENT, collection_of, model_of
from tests.validation import context_for, run_rules

DELETED = "references.order_items.order_id-deleted"


# -- references -------------------------------------------------------------------------------------------------------


def test_child_without_its_parent_is_counted_and_without_a_reference_ignored(found: Finding) -> None:
    """Only documents with a reference are examined; a parent may lack its key too."""
    items = [{"order_id": "b"}, {"order_id": "a"}, {"order_id": None}, {}, {"order_id": "o"}, {"order_id": "a"}]
    outcome = found(ORDER, order_items=numbered(*items), orders=numbered({"order_id": "o"}, {}, {"order_id": None}))
    assert (outcome.examined, outcome.violations) == (4, 3)
    assert samples_of(outcome) == [
        (1, 'order_id is "a"; no document of orders has this key'),
        (5, 'order_id is "a"; no document of orders has this key'),
        (0, 'order_id is "b"; no document of orders has this key'),
    ]


#: Documents are the form that MinKey and MaxKey take between the two engines of MongoDB 6.0; such a document is a key,
#: too.
UNUSUAL_KEYS = [MinKey(), MaxKey(), {"": MinKey()}, {"": MaxKey()}]


@pytest.mark.parametrize("key", [7, 2.5, True, {"a": 1}, [1, 2], [], Decimal128("1.5"), "x", *UNUSUAL_KEYS])
def test_key_of_any_type_matches_its_own_child(key: Any, found: Finding) -> None:
    others = ["order", 8, 2.6, {"a": 2}, [2, 1], [[1, 2]], None]
    items = [{"order_id": key}, *({"order_id": other} for other in others)]
    outcome = found(ORDER, order_items=numbered(*items), orders=numbered(*items[1:]))
    assert [sample.id for sample in outcome.samples] == [0]
    assert outcome.violations == 1


@pytest.mark.parametrize("key", UNUSUAL_KEYS)
@pytest.mark.parametrize("other", UNUSUAL_KEYS)
def test_unusual_key_is_dangling_exactly_if_no_parent_has_it(key: Any, other: Any, found: Finding) -> None:
    outcome = found(ORDER, order_items=numbered({"order_id": key}), orders=numbered({"order_id": other}))
    assert (outcome.examined, outcome.violations) == (1, int(key != other))


@pytest.mark.parametrize("key", UNUSUAL_KEYS)
def test_price_of_a_child_with_an_unusual_key_is_compared(key: Any, found: Finding) -> None:
    line = {"product_id": key, "store_id": "store_spokane", "unit_price": 1000.0}
    outcome = found(PRICE, order_items=numbered(line), products=numbered({"product_id": key, "base_price": 10.0}))
    assert (outcome.examined, outcome.violations) == (1, 1)


def test_samples_are_ordered_by_key_with_lists_as_one_value(found: Finding) -> None:
    items = [{"order_id": [1, 2]}, {"order_id": "a"}, {"order_id": 2.5}, {"order_id": ["a"]}]
    outcome = found(ORDER, order_items=numbered(*items), orders=[{"_id": 1}])
    assert [sample.id for sample in outcome.samples] == [2, 1, 0, 3]


def test_dangling_children_are_counted_beyond_the_samples(found: Finding) -> None:
    outcome = found(ORDER, order_items=numbered(*({"order_id": f"o{n % 7}"} for n in range(21))), orders=[{"_id": 1}])
    assert outcome.violations == 21
    assert [sample.id for sample in outcome.samples] == [0, 7, 14, 1, 8]


def test_key_with_invalid_utf_8_matches_its_own_child(database: Database[Document], model: Model) -> None:
    """A decoded string cannot query bytes that are not UTF-8."""
    broken = bson.encode({"_id": 9, "order_id": "?1"}).replace(b"?1", b"\xff1")
    items = [{"order_id": "o"}, {"order_id": "gone"}, {"order_id": "o"}, {"order_id": 7}]
    database["orders"].insert_many([{"order_id": "o"}, {"order_id": 7}])
    database["order_items"].insert_many([*numbered(*items), RawBSONDocument(broken)])
    context = context_for(model, database.with_options(OPTIONS))
    outcome = run_rules([rule for rule in rules(model, context.configuration) if rule.id == ORDER], context)[ORDER]
    assert outcome.violations == 2
    assert [sample.id for sample in outcome.samples] == [1, 9]


def test_list_that_contains_the_key_is_another_key(found: Finding) -> None:
    """The number of such lists does not matter."""
    items = [*({"order_id": ["gone", number]} for number in range(9)), {"order_id": "gone"}]
    outcome = found(ORDER, order_items=numbered(*items), orders=numbered(*items[:-1]))
    assert (outcome.violations, [sample.id for sample in outcome.samples]) == (1, [9])


def test_keys_with_different_invalid_utf_8_differ(database: Database[Document], model: Model) -> None:
    """They differ in samples and in totals."""
    orders, items = (
        [
            RawBSONDocument(
                bson.encode({"_id": number, "order_id": "?!", "item_count": count}).replace(b"?!", b"\xff%d" % number)
            )
            for number, count in enumerate(counts)
        ]
        for counts in ([1] * 8 + [2], [1] * 10)
    )
    database["orders"].insert_many(orders)
    database["order_items"].insert_many(items)
    context = context_for(model, database.with_options(OPTIONS))
    every = {rule.id: rule for rule in all_rules(model, context.configuration)}
    outcomes = run_rules([every[ORDER], every[COUNT]], context)
    assert {name: (found.violations, [one.id for one in found.samples]) for name, found in outcomes.items()} == {
        ORDER: (1, [9]),
        COUNT: (1, [8]),
    }


def test_live_child_of_a_deleted_parent_is_reported(found: Finding) -> None:
    """One live parent of two suffices; a flag that is not a boolean does not count as deleted."""
    orders = [
        {"order_id": "gone", "deleted": True}, {"order_id": "half", "deleted": True}, {"order_id": "half"},
        {"order_id": "odd", "deleted": 1}, {"order_id": "live", "deleted": False},
    ]  # fmt: skip
    items = [
        {"order_id": one, "deleted": flag} for one in ("gone", "half", "odd", "live", "none") for flag in (True, 0)
    ]
    outcome = found(DELETED, order_items=numbered(*items), orders=numbered(*orders))
    assert (outcome.examined, outcome.violations) == (8, 1)
    assert samples_of(outcome) == [(1, 'order_id is "gone"; that document of orders is deleted')]


def test_deleted_children_do_not_hide_live_ones(found: Finding) -> None:
    keys = [f"o{number}" for number in range(9)]
    orders = numbered(*({"order_id": key, "deleted": True} for key in keys))
    items = numbered(*({"order_id": key, "deleted": key != "o8"} for key in keys))
    outcome = found(DELETED, order_items=items, orders=orders)
    assert (outcome.violations, [sample.id for sample in outcome.samples]) == (1, [8])


def test_empty_collection_is_skipped(found: Finding) -> None:
    assert found(ORDER, orders=[{"_id": 1}]).skipped == "order_items is empty"


def test_totals_without_parents_are_skipped(found: Finding) -> None:
    assert found(COUNT, order_items=[{"_id": 1}]).skipped == "orders is empty"


@pytest.mark.parametrize(("held", "expected"), [([None, ABSENT], None), ([None, ABSENT, "x", "o"], (2, 1))])
def test_optional_reference_is_examined_where_present(
    held: list[Any], expected: tuple[int, int] | None, tmp_path: Path, database: Database[Document]
) -> None:
    fields = {"parent": {"type": "string", "maxLength": 9, "x-reference": "parents.key"}}
    parents = collection_of({"key": {"type": "string", "maxLength": 9, "x-unique": True}})
    model = model_of(tmp_path, {"children": collection_of(fields, optional=["parent"]), "parents": parents})
    database["children"].insert_many(numbered(*({} if one is ABSENT else {"parent": one} for one in held)))
    database["parents"].insert_one({"key": "o"})
    context = context_for(model, database)
    (outcome,) = run_rules(
        [one for one in rules(model, context.configuration) if one.id.endswith(".parent")], context
    ).values()
    if expected is None:
        assert outcome.skipped == "no document of children has parent"
    else:
        assert (outcome.skipped, outcome.examined, outcome.violations) == (None, *expected)
