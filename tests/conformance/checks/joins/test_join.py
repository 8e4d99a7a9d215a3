"""Results of one pass over children and parents, on constructed documents: references, copies, totals and bounds.

Documents hold only what the rule looks at; what they lack or hold in a wrong type is for other families to name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, MaxKey, MinKey
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from conformance.checks.bounds import Bounds
from conformance.checks.joins.join import Pass
from conformance.checks.key_range import Partition
from conformance.config.configuration import Bound
from conformance.connection.client import OPTIONS
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.catalogue import all_rules
from conformance.rules.data import business, snapshots
from conformance.rules.data.references import rules
from tests.conformance.rules.finding import Finding
from tests.models import ABSENT, collection_of, model_of
from tests.validation import configuration_for, context_for, run_rules

Document = dict[str, Any]

ORDER = "references.order_items.order_id"
DELETED = "references.order_items.order_id-deleted"
SAME_STORE = "references.order_items.store_id+order_id"
NAME = "snapshots.orders.customer_name"
EMAIL = "snapshots.orders.customer_email"
COUNT = "totals.orders.item_count"
SUBTOTAL = "totals.orders.subtotal"
DATE = "business.orders.order_date+customer_id"
PRICE = "business.order_items.unit_price+product_id"


def numbered(*documents: Document) -> list[Document]:
    return [{"_id": number, **document} for number, document in enumerate(documents)]


def samples_of(outcome: Outcome) -> list[tuple[Any, str]]:
    return [(sample.id, sample.why) for sample in outcome.samples]


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


# -- copies -----------------------------------------------------------------------------------------------------------


def test_copied_key_that_differs_from_the_parent_is_reported(found: Finding) -> None:
    """Equal values in all children are still wrong; with two parents, either value is accepted."""
    orders = [
        {"order_id": "a", "store_id": "s"},
        {"order_id": "b", "store_id": "s"},
        {"order_id": "b", "store_id": "t"},
    ]
    items = [("a", "s"), ("a", "t"), ("b", "s"), ("b", "t"), ("b", "u"), ("a", None), ("a", ABSENT), ("none", "t")]
    documents = [{"order_id": o} | ({} if s is ABSENT else {"store_id": s}) for o, s in items]
    outcome = found(SAME_STORE, orders=numbered(*orders), order_items=numbered(*documents))
    assert outcome.violations == 2
    assert samples_of(outcome) == [
        (1, 'store_id is "t"; expected "s", as in orders'),
        (4, 'store_id is "u"; expected "s" or "t", as in orders'),
    ]


@pytest.mark.parametrize("other", ["r", "t"])
def test_single_wrong_copy_is_reported(other: str, found: Finding) -> None:
    """Its value is less or greater than the correct ones."""
    items = [{"order_id": "a", "store_id": store} for store in ("s", other, "s")]
    outcome = found(SAME_STORE, orders=numbered({"order_id": "a", "store_id": "s"}), order_items=numbered(*items))
    assert samples_of(outcome) == [(1, f'store_id is "{other}"; expected "s", as in orders')]


def test_keys_and_snapshots_share_one_reference(tmp_path: Path) -> None:
    """Each is in its family, in any order."""
    text = {"type": "string", "maxLength": 99}
    name = text | {"maxLength": 40}
    parents = {"key": text | {"x-unique": True}, "region": text, "first": name, "last": name}
    through = {"through": "parent"}
    children = {
        "parent": text | {"x-reference": "parents.key"},
        "early": text | {"x-snapshot": through | {"of": ["first"]}},
        "region": text | {"x-agrees": through | {"with": "region"}},
        "late": text | {"x-snapshot": through | {"of": ["first", "last"], "separator": "-"}},
    }
    model = model_of(tmp_path, {"parents": collection_of(parents), "children": collection_of(children)})
    configuration = configuration_for(model)
    assert {rule.id: rule.title for rule in snapshots.rules(model, configuration)} == {
        "snapshots.children.early": "Things: early equals first of the document in parents",
        "snapshots.children.late": "Things: late equals first and last of the document in parents",
    }
    assert {rule.id for rule in rules(model, configuration)} == {
        "references.children.parent", "references.children.region+parent",
    }  # fmt: skip


def test_snapshot_of_two_fields_is_compared(found: Finding) -> None:
    """It consists of both names; a customer without two string names is not compared."""
    customers = [
        {"customer_id": "a", "first_name": "Ann", "last_name": "Lee"}, {"customer_id": "b", "first_name": "Bo"},
        {"customer_id": "c", "first_name": 7, "last_name": "Lee"},
    ]  # fmt: skip
    names = [("a", "Ann Lee"), ("a", "Ann  Lee"), ("a", "AnnLee"), ("b", "Bo"), ("c", "7 Lee"), ("a", "ann lee")]
    orders = [{"customer_id": one, "customer_name": name} for one, name in names]
    outcome = found(NAME, customers=numbered(*customers), orders=numbered(*orders))
    assert outcome.violations == 3
    assert [sample.id for sample in outcome.samples] == [1, 2, 5]
    assert outcome.samples[0].why == 'customer_name is "Ann  Lee"; expected "Ann Lee", as in customers'


def test_wrong_copies_are_counted_beyond_the_samples(found: Finding) -> None:
    orders = [{"customer_id": f"c{n % 2}", "customer_email": f"{n}@x"} for n in range(8)]
    customers = [{"customer_id": "c1", "email": "0@x"}, {"customer_id": "c0", "email": "0@x"}]
    outcome = found(EMAIL, customers=numbered(*customers), orders=numbered(*orders))
    assert (outcome.violations, [sample.id for sample in outcome.samples]) == (7, [2, 4, 6, 1, 3])


# -- totals -----------------------------------------------------------------------------------------------------------


def order(key: str, **fields: Any) -> Document:
    return {"order_id": key, **fields}


def line(key: str, quantity: Any = 1, unit_price: Any = 1.1, **fields: Any) -> Document:
    return {"order_id": key, "quantity": quantity, "unit_price": unit_price, **fields}


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


# -- bounds since the last change of the parent -----------------------------------------------------------------------

CHANGED = "2024-05-01T00:00:00Z"


@pytest.mark.parametrize(
    ("created_at", "examined", "violations"),
    [
        ("2024-04-30T23:59:59Z", 0, 0),
        (CHANGED, 1, 1),
        ("2024-05-01T00:00:01Z", 1, 1),
        (None, 1, 1),  # its time is unknown, and another rule reports that
        (7, 1, 1),
    ],
)
def test_price_is_compared_with_the_base_price_after_the_last_change(
    created_at: Any, examined: int, violations: int, found: Finding
) -> None:
    product = {"product_id": "p", "base_price": 20.0, "updated_at": CHANGED}
    sold = {"product_id": "p", "store_id": "store_spokane", "unit_price": 10.0, "created_at": created_at}
    now = sold | {"unit_price": 20.0, "created_at": "2025-01-01T00:00:00Z"}
    outcome = found(PRICE, products=[product], order_items=numbered(sold, now))
    assert (outcome.examined, outcome.violations) == (examined + 1, violations)
    assert [sample.id for sample in outcome.samples] == [0] * violations


@pytest.mark.parametrize("updated_at", [None, 7])
def test_price_is_compared_if_the_time_of_the_change_is_unknown(updated_at: Any, found: Finding) -> None:
    product = {"product_id": "p", "base_price": 20.0, "updated_at": updated_at}
    sold = {"product_id": "p", "store_id": "store_spokane", "unit_price": 10.0, "created_at": CHANGED}
    outcome = found(PRICE, products=[product], order_items=numbered(sold))
    assert (outcome.examined, outcome.violations) == (1, 1)


def test_lines_of_every_store_are_counted_if_one_line_is_older(found: Finding) -> None:
    product = {"product_id": "p", "base_price": 20.0, "updated_at": CHANGED}
    late, early = (
        {"product_id": "p", "unit_price": 20.0, "created_at": f"202{year}-01-01T00:00:00Z"} for year in (5, 3)
    )
    stores = ("store_spokane", "store_everett")
    items = [line | {"store_id": store} for store in stores for line in (early, late, late)]
    outcome = found(PRICE, products=[product], order_items=numbered(*items))
    assert outcome.examined == 4


def test_bound_with_older_lines_only_is_skipped(found: Finding) -> None:
    product = {"product_id": "p", "base_price": 20.0, "updated_at": CHANGED}
    sold = {"product_id": "p", "store_id": "store_spokane", "unit_price": 1.0, "created_at": "2023-01-01T00:00:00Z"}
    outcome = found(PRICE, products=[product], order_items=numbered(sold))
    assert outcome.skipped is not None
    assert "was created after its document of products changed" in outcome.skipped


@pytest.mark.parametrize(
    ("field", "since", "why"),
    [
        ("order_items.unit_price", "product_id.updatd_at", "did you mean product_id.updated_at?"),
        ("order_items.unit_price", "order_id.updated_at", "is not a time stamp of products"),
        ("order_items.unit_price", "product_id.base_price", "is not a time stamp of products"),
    ],
)
def test_since_without_a_time_stamp_of_the_parent_is_rejected(field: str, since: str, why: str, model: Model) -> None:
    bound = Bound(family="business", title="t", field=field, at_least="product_id.base_price", since=since)
    with pytest.raises(ConfigurationError, match=re.escape(why)):
        Bounds.parse(model, configuration_for(model), bound)


def test_since_requires_a_reference_to_history(model: Model) -> None:
    bound = Bound(
        family="business", title="t", field="inventory.stock_level", at_least="product_id.base_price",
        since="product_id.updated_at",
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="add x-history to it, or remove since"):
        Bounds.parse(model, configuration_for(model), bound)
