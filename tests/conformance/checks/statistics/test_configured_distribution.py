"""Distributions that a model of the test configures: weights, significance, power and fields of another type."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from pymongo.database import Database

from conformance.checks.base import Rule
from conformance.checks.statistics import distribution
from conformance.checks.statistics.g_test import g_test
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.results import Outcome
from tests.conformance.checks.statistics.distributed import (
    SIGNIFICANCE,
    STORES,
    WEIGHTS,
    as_configured,
    by_weight,
    orders,
    seasonal,
)
from tests.validation import configuration_for, context_for

Document = dict[str, Any]


# -- a share of one's own ---------------------------------------------------------------------------------------------


def outcome_of(
    model: Model, database: Database[Document], figures: dict[str, float] | None = None, number: int = 0, **changes: Any
) -> Outcome:
    """Return the outcome of a distribution, by default orders by store, with changes of it or its parameters."""
    context = context_for(model, database)
    share = context.configuration.rules.distributions[number].model_copy(update=changes)
    generation = context.configuration.generation
    if figures is not None:
        generation = generation.model_copy(update={"parameters": {**generation.parameters, share.expected: figures}})
    check = distribution.DistributionTest(model, replace(context.configuration, generation=generation), share)
    return check(context, [Rule(STORES, "Shares", check)])[STORES]


def test_small_weight_counts_and_zero_weight_does_not(model: Model, database: Database[Document]) -> None:
    database["orders"].insert_many(orders({"a": 400, "b": 100, "c": 3}, "store_id"))
    outcome = outcome_of(model, database, {"a": 1.2, "b": 0.3, "c": 0.0})
    assert outcome.evidence["table"] == {"": {"a": (400, 400.0), "b": (100, 100.0)}}
    assert [sample.why for sample in outcome.samples] == [
        'store_id is "c" in 3 documents, but store_order_share in config/generation.yaml expects none; add the key'
        " there, or correct store_id"
    ]


def test_only_a_p_value_below_the_significance_is_a_finding(model: Model, database: Database[Document]) -> None:
    database["orders"].insert_many(orders(by_weight(3_000) | {"store_kirkland": 84}, "store_id"))
    chance = outcome_of(model, database).evidence["p_value"]
    assert 1e-6 < chance < 0.01
    assert outcome_of(model, database, significance=chance).violations == 0
    assert outcome_of(model, database, significance=math.nextafter(chance, 1)).violations == 1


def test_configured_power_is_sufficient(
    model: Model, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = by_weight(60)
    database["orders"].insert_many(orders(counts, "store_id"))
    power = g_test([[*counts.values()]], [[*WEIGHTS.values()]], [[1.0] * 8], SIGNIFICANCE).power
    assert 0.5 < power < 0.99
    monkeypatch.setattr(distribution, "POWER", power + 1e-9)
    assert "too few" in str(outcome_of(model, database).skipped)
    monkeypatch.setattr(distribution, "POWER", power)
    assert outcome_of(model, database).examined == sum(counts.values())


def test_fields_of_another_type_are_not_counted(model: Model, database: Database[Document]) -> None:
    """A valid field does not replace an invalid one."""
    counts = by_weight(1_000)
    database["orders"].insert_many({**one, "status": "x"} for one in orders(counts, "store_id"))
    database["orders"].insert_many({"store_id": "store_seattle", "status": one} for one in (7, None, ["x"]))
    outcome = outcome_of(model, database, by="without(store_id, status)")
    assert outcome.examined == sum(counts.values())
    assert outcome.evidence["table"][""]["store_seattle"][0] == counts["store_seattle"]


def test_fields_of_another_type_are_not_counted_by_month(model: Model, database: Database[Document]) -> None:
    documents = seasonal(as_configured(100))
    lines = len(documents["order_items"])
    documents["order_items"] += [{"order_id": "order_20240101_1", "product_id": one} for one in (7, None, ["p_a"])]
    for name, some in documents.items():
        database[name].insert_many(some)
    outcome = outcome_of(model, database, number=2, within="slice(without(order_id, product_id), 10, 12)")
    assert outcome.examined == lines


@pytest.mark.parametrize(
    "by",
    ["quantity.category_id.seasonal_multipliers", "product_id.sku.name", "product_id.category_id.seasons",
     "product_id.category_id", "product_id", "product_id.category_id.seasonal_multipliers.jan",
     "product_id.category_id.category_name"],
)  # fmt: skip
def test_distribution_without_a_reference_is_rejected(by: str, model: Model) -> None:
    configuration = configuration_for(model)
    share = configuration.rules.distributions[2].model_copy(update={"by": by})
    with pytest.raises(ConfigurationError, match=rf"order_items by {by}: '{by}' must be reference\.reference"):
        distribution.DistributionTest(model, configuration, share)
