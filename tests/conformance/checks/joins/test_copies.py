"""Copies of a field of the referenced document: keys of relations and snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.rules.data import snapshots
from conformance.rules.data.references import rules
from tests.conformance.checks.joins.shipped_rules import EMAIL, numbered, samples_of
from tests.conformance.rules.finding import Finding
from tests.models import ABSENT, collection_of, model_of
from tests.validation import configuration_for

SAME_STORE = "references.order_items.store_id+order_id"
NAME = "snapshots.orders.customer_name"


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
