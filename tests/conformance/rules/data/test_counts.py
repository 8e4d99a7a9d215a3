"""Family counts: exact expected numbers of documents, and unknown collections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from conformance.model.collection import Model
from conformance.rules.data.counts import rules
from conformance.text.plural import numbered
from tests.conformance.rules.finding import Finding
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for, run_rules

Document = dict[str, Any]


def some(number: int) -> list[Document]:
    return [{"_id": position} for position in range(number)]


@pytest.mark.parametrize(
    ("name", "number", "off"),
    [
        ("stores", 0, 8), ("stores", 7, 1), ("stores", 8, 0), ("stores", 10, 2),
        ("product_types", 1, 19), ("product_types", 19, 1), ("product_types", 20, 0), ("product_types", 100, 0),
        ("product_types", 101, 1),
    ],
)  # fmt: skip
def test_count_outside_the_bounds_of_the_schema_is_reported(name: str, number: int, off: int, found: Finding) -> None:
    """An expected count of zero is examined too."""
    outcome = found(f"counts.{name}.documents", **({name: some(number)} if number else {}))
    expected = {
        "stores": "8 (the exact number in the schema)",
        "product_types": "20 to 100 (the bounds in the schema)",
    }[name]
    assert (outcome.examined, outcome.violations) == (max(number, 1), off)
    word = "missing" if number < {"stores": 8, "product_types": 20}[name] else "surplus"
    why = f"{off} {word}: {numbered(number, 'document')} found; expected {expected}"
    assert [(sample.ref, sample.why) for sample in outcome.samples] == ([(name, why)] if off else [])


@pytest.mark.parametrize(
    ("stores", "products", "between"), [(3, 7, (18, 21)), (4, 5, (17, 20)), (0, 7, (0, 0)), (1, 1, (1, 1))]
)
def test_count_as_a_percentage_of_pairs_is_bounded(
    stores: int, products: int, between: tuple[int, int], found: Finding
) -> None:
    """The lower bound is 85 % of the pairs, rounded to a whole document."""
    parents = {name: some(number) for name, number in (("stores", stores), ("products", products)) if number}
    evidence = found("counts.inventory.documents", **parents).evidence
    assert (evidence["low"], evidence["high"]) == between


def test_bounds_without_a_whole_number_allow_its_neighbours(database: Database[Document], tmp_path: Path) -> None:
    """0.3 to 0.9 of one pair is neither no document nor one, but one of the two it must be."""
    key = {"x-bson": "objectId"}
    schemas = {
        "ports": collection_of({}, cardinality={"exactly": 1}),
        "ships": collection_of({}, cardinality={"exactly": 1}),
        "visits": collection_of(
            {"port": key | {"x-reference": "ports._id"}, "ship": key | {"x-reference": "ships._id"}},
            cardinality={"per": ["ports", "ships"], "between": [0.3, 0.9]},
        ),
    }
    model = model_of(tmp_path, schemas)
    for name in ("ports", "ships"):
        database[name].insert_one({})
    for number in range(3):
        outcome = run_rules(rules(model, configuration_for(model)), context_for(model, database))
        assert outcome["counts.visits.documents"].violations == max(0, number - 1)
        database["visits"].insert_one({})


def test_deleted_store_needs_no_stock(found: Finding) -> None:
    """It may have kept its stock: the range is from 85 % of the pairs of live stores to all pairs."""
    stores = [*some(3), {"_id": 3, "deleted": True}]
    evidence = found("counts.inventory.documents", stores=stores, products=some(20)).evidence
    assert (
        evidence["expected"]
        == "51 to 80 (0.85 to 1 per pair of stores x products; soft-deleted parents may count or not)"
    )


def test_average_is_expected_of_orders_that_are_not_deleted(found: Finding) -> None:
    orders = [*some(1_000), *({"_id": f"gone{n}", "deleted": True} for n in range(100))]
    evidence = found("counts.order_items.documents", orders=orders).evidence
    assert evidence["low"] == 2.1 * 1_000 - 234


@pytest.mark.parametrize(
    ("orders", "between", "reason"),
    [
        (999, (999, 4995), "1 to 5 per document of orders"),
        (1_000, (1877, 2323), "2.1 per document of orders within 6 sigma"),
        (1_001, (1879, 2325), "2.1 per document of orders within 6 sigma"),
    ],
)
def test_average_has_a_tolerance_by_the_number_of_parents(
    orders: int, between: tuple[int, int], reason: str, found: Finding
) -> None:
    evidence = found("counts.order_items.documents", orders=some(orders)).evidence
    assert (evidence["found"], evidence["low"], evidence["high"]) == (0, *between)
    assert evidence["expected"] == f"{between[0]:,} to {between[1]:,} ({reason})"


@pytest.mark.parametrize(
    ("names", "examined", "unknown"),
    [
        ([], 1, []),
        (["system.js"], 1, ["system.js"]),
        (["stores"], 1, []),
        (["zoo"], 1, ["zoo"]),
        (["zoo", "stores", "apes"], 3, ["apes", "zoo"]),
    ],
)
def test_collection_without_a_schema_is_reported(
    names: list[str], examined: int, unknown: list[str], model: Model, database: Database[Document]
) -> None:
    for name in names:
        database.create_collection(name)
    found = run_rules(rules(model, configuration_for(model)), context_for(model, database))
    outcome = found["counts._database.unknown-collections"]
    assert (outcome.examined, outcome.violations) == (examined, len(unknown))
    assert [(sample.ref, sample.why) for sample in outcome.samples] == [
        (one, "the collection is in the database but no schema defines it") for one in unknown
    ]
