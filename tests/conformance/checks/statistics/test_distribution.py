"""Distributions of orders by store and by year, and of lines by month, as the shipped model configures them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId, Regex
from pymongo.database import Database

from conformance.checks.base import Rule
from conformance.checks.statistics import distribution
from conformance.checks.statistics.g_test import g_test
from conformance.config.settings import Settings
from conformance.language.calendar import day_weight, days_by_year
from conformance.model.collection import Model
from tests.conformance.checks.statistics.distributed import (
    NAMES,
    SEASONS,
    SIGNIFICANCE,
    STORES,
    WEIGHTS,
    as_configured,
    by_weight,
    orders,
    seasonal,
)
from tests.conformance.rules.finding import Finding
from tests.validation import context_for

Document = dict[str, Any]


YEARS = "business.orders.order_date-shares"
MONTHS = "business.order_items.product_id-shares"


YEAR_WEIGHTS = {2020: 1.0, 2021: 1.1, 2022: 1.21, 2023: 1.15, 2024: 1.265, 2025: 1.392, 2026: 1.531}
#: Values that belong to no group: they are not counted and not reported.
STRANGE: list[Any] = [None, 7, 2.5, True, ["store_seattle"], {"a": 1}, ObjectId(), Regex("store"), "store_nowhere", ""]


def test_orders_as_configured_pass_with_evidence(found: Finding) -> None:
    """Counts are tested against the weights, with equal weights as the alternative; the evidence shows both."""
    counts = by_weight(1_000)
    outcome = found(STORES, orders=[*orders(counts, "store_id"), *({"store_id": one} for one in STRANGE), {}])
    test = g_test([[*counts.values()]], [[*WEIGHTS.values()]], [[1.0] * 8], SIGNIFICANCE)
    n, whole = sum(counts.values()), sum(WEIGHTS.values())
    assert (outcome.examined, outcome.violations) == (n, 2)  # a text that the table does not list is a finding
    assert [sample.why.partition(" in ")[0] for sample in outcome.samples] == [
        'store_id is ""',
        'store_id is "store_nowhere"',
    ]
    evidence = dict(outcome.evidence)
    assert len(evidence.pop("largest_deviations")) == 5
    assert evidence == {
        "test": "G-test", "statistic": round(test.statistic, 2), "degrees_of_freedom": 7,
        "p_value": pytest.approx(test.p_value),
        "significance": SIGNIFICANCE, "power": round(test.power, 4),
        "table": {"": {one: (counts[one], round(n * WEIGHTS[one] / whole, 1)) for one in WEIGHTS}},
    }  # fmt: skip


def test_orders_with_another_distribution_are_reported(found: Finding) -> None:
    """The largest deviation comes first, in units of its own standard deviation."""
    counts = by_weight(1_000) | {"store_kirkland": 70, "store_online": 214}
    outcome = found(STORES, orders=orders(counts, "store_id"))
    test = g_test([[*counts.values()]], [[*WEIGHTS.values()]], [[1.0] * 8], SIGNIFICANCE)
    n = sum(counts.values())
    kirkland = f"store_kirkland: 70 found, {n * 5.6 / sum(WEIGHTS.values()):,.0f} expected"
    assert (outcome.examined, outcome.violations) == (n, 1)
    assert outcome.evidence["largest_deviations"][0] == kirkland
    assert outcome.evidence["largest_deviations"][1].startswith("store_online: 214 found, ")
    (sample,) = outcome.samples
    assert sample.ref == "orders by store_id"
    assert sample.why.startswith(
        f"the distribution differs from store_order_share (G = {test.statistic:,.1f}, 7 degrees of freedom,"
        f" p = {test.p_value:.1e}): {kirkland}; store_online"
    )
    assert sample.why.count(" found, ") == 3


def test_deviations_are_ordered_by_standard_deviations(found: Finding) -> None:
    """A small excess of a small count is more likely than a large deficit of a large one."""
    counts = by_weight(1_000) | {"store_kirkland": 28, "store_online": 190}
    largest = found(STORES, orders=orders(counts, "store_id")).evidence["largest_deviations"]
    assert [one.partition(" found")[0] for one in largest[:2]] == ["store_online: 190", "store_kirkland: 28"]


def test_store_without_orders_counts_as_zero(found: Finding) -> None:
    counts = by_weight(1_000) | {"store_kirkland": 0}
    outcome = found(STORES, orders=orders(counts, "store_id"))
    assert outcome.evidence["table"][""]["store_kirkland"][0] == 0
    test = g_test([[*counts.values()]], [[*WEIGHTS.values()]], [[1.0] * 8], SIGNIFICANCE)
    assert outcome.evidence["p_value"] == pytest.approx(test.p_value)


def test_too_few_orders_are_skipped(found: Finding) -> None:
    """Their distribution does not matter; the reason states how many are needed."""
    counts = dict.fromkeys(WEIGHTS, 4)
    test = g_test([[4.0] * 8], [[*WEIGHTS.values()]], [[1.0] * 8], SIGNIFICANCE)
    assert found(STORES, orders=orders(counts, "store_id")).skipped == (
        f"too few documents: 32 detect a deviation with power {test.power:.2f}; about {32 * test.needed:,.0f} are"
        " needed"
    )


def test_too_few_orders_for_any_test_are_skipped(found: Finding) -> None:
    """No cell has an expected count of five."""
    assert found(STORES, orders=orders({"store_seattle": 2}, "store_id")).skipped == (
        "too few documents: 2 detect a deviation with power 0.00; many more are needed"
    )


def test_orders_of_unknown_stores_only_are_skipped(found: Finding) -> None:
    assert found(STORES, orders=[{"store_id": one} for one in STRANGE]).violations == 2
    assert found(STORES, orders=[{"store_id": one} for one in STRANGE if not isinstance(one, str)]).skipped == (
        "no document of orders has a store_id that is listed in store_order_share"
    )
    assert found(STORES).skipped == "orders is empty"


def test_orders_by_year_are_compared_with_days_and_weights(found: Finding) -> None:
    """A year weighs by its days; the alternative is the same number per day. A date of another type is ignored."""
    days = days_by_year(dt.date(2020, 1, 1), dt.date(2026, 12, 31))
    weights = [day_weight(YEAR_WEIGHTS, year) * number for year, number in days.items()]
    counts = {f"{year}-05-05T00:00:00Z": round(9_000 * w / sum(weights)) for year, w in zip(days, weights, strict=True)}
    counts["2024-05-05T00:00:00Z"] = 0
    strange = [{"order_date": one} for one in (*STRANGE, dt.datetime(2021, 1, 1), "1999-01-01T00:00:00Z")]
    outcome = found(YEARS, orders=[*orders(counts, "order_date"), *strange, {}])
    test = g_test([[*counts.values()]], [weights], [[*map(float, days.values())]], SIGNIFICANCE)
    assert (outcome.examined, outcome.violations) == (sum(counts.values()), 1)
    assert outcome.evidence["p_value"] == pytest.approx(test.p_value)
    assert outcome.evidence["power"] == round(test.power, 4)
    assert outcome.evidence["statistic"] == pytest.approx(test.statistic, abs=0.01)
    n, whole = sum(counts.values()), sum(weights)
    assert outcome.evidence["table"][""] == {
        date[:4]: (count, round(n * weight / whole, 1))
        for (date, count), weight in zip(counts.items(), weights, strict=True)
    }


@pytest.mark.parametrize(
    ("of_2020", "broken"), [(92 / 366 / 1.1, False), (1 / 1.1, False), (0.5, True)], ids=["days", "whole", "neither"]
)
def test_partial_year_may_weigh_by_its_days_or_fully(
    of_2020: float, broken: bool, model: Model, database: Database[Document]
) -> None:
    """The period starts in October 2020: a generator that draws the year first makes a full year's orders."""
    counts = {"2020-11-05T00:00:00Z": round(4_000 * of_2020), "2021-05-05T00:00:00Z": 4_000}
    database["orders"].insert_many(orders(counts, "order_date"))
    context = context_for(model, database)
    context = replace(context, settings=Settings(start_date=dt.date(2020, 10, 1), end_date=dt.date(2021, 12, 31)))
    share = context.configuration.rules.distributions[1]
    check = distribution.DistributionTest(model, context.configuration, share)
    outcome = check(context, [Rule(YEARS, "Shares", check)])[YEARS]
    assert outcome.violations == int(broken)


def expected(months: dict[str, dict[str, int]]) -> Any:
    totals = [sum(values[month] for values in SEASONS.values()) for month in range(12)]
    shares = [[values[month] / totals[month] for values in SEASONS.values()] for month in range(12)]
    average = [sum(values[month] / totals[month] for month in range(12)) / 12 for values in SEASONS.values()]
    return g_test([[*counts.values()] for counts in months.values()], shares, [average] * 12, SIGNIFICANCE)


@pytest.mark.parametrize("swapped", [False, True])
def test_lines_by_month_are_compared_with_the_multipliers(swapped: bool, found: Finding) -> None:
    """Each month has its own multipliers; the alternative has each category's average all year."""
    months = as_configured(300)
    if swapped:
        months["03"], months["04"] = months["04"], months["03"]
    documents = seasonal(months)
    lines = [
        ("order_20240101_1", "odd"),
        ("order_20240101_1", "none"),
        (None, "p_a"),
        (7, "p_a"),
        ("order_2024", "p_a"),
        (202401010101, "p_a"),
    ]
    documents["order_items"] += [{"order_id": order, "product_id": product} for order, product in lines]
    documents["order_items"] += [{"product_id": "p_a"}, {"order_id": "order_20240101_1"}]
    outcome = found(MONTHS, **documents)
    test = expected(months)
    assert outcome.examined == sum(sum(counts.values()) for counts in months.values())
    assert outcome.violations == int(swapped)
    assert outcome.evidence["degrees_of_freedom"] == 24
    assert outcome.evidence["statistic"] == pytest.approx(test.statistic, abs=0.01)
    assert outcome.evidence["power"] == pytest.approx(test.power, abs=1e-4)
    assert outcome.evidence["table"]["03"].keys() == SEASONS.keys()
    if swapped:
        assert outcome.evidence["largest_deviations"][0].startswith(("03 ", "04 "))


@pytest.mark.parametrize(
    "multipliers",
    ["none", [1.0] * 12, dict.fromkeys(NAMES[1:], 1.0), dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, float("inf")),
     dict.fromkeys(NAMES, "1"), None],
)  # fmt: skip
def test_category_without_usable_multipliers_is_left_out(multipliers: Any, found: Finding) -> None:
    outcome = found(MONTHS, **seasonal(as_configured(600), b=multipliers))
    assert outcome.evidence["table"]["01"].keys() == {"a", "c"}


def test_single_category_is_skipped(found: Finding) -> None:
    documents = seasonal(as_configured(300), a=None, b=None)
    assert found(MONTHS, **documents).skipped == "there is only one group, so nothing can be compared"


FLAT = dict.fromkeys(SEASONS, dict.fromkeys(NAMES, 1.0))


def test_distribution_equal_to_its_alternative_is_skipped(found: Finding) -> None:
    """The categories are the same all year: no number of lines can show that they have no seasons."""
    flat = {f"{month:02d}": dict.fromkeys(SEASONS, 100) for month in range(1, 13)}
    assert found(MONTHS, **seasonal(flat, **FLAT)).skipped == (
        "the expected distribution equals the alternative, so nothing can be compared"
    )


def test_deviation_is_reported_at_any_power(found: Finding) -> None:
    """The multipliers are equal and the lines have seasons: power matters only without a finding."""
    outcome = found(MONTHS, **seasonal(as_configured(300), **FLAT))
    assert (outcome.skipped, outcome.violations) == (None, 1)
    assert outcome.evidence["power"] < 0.01
    assert outcome.evidence["p_value"] < SIGNIFICANCE


@pytest.mark.parametrize("given_up", [False, True])
def test_category_without_products_is_included(given_up: bool, found: Finding) -> None:
    """A migration may put every product into one category; a deleted category is excluded."""
    documents = seasonal({month: {"a": 300} for month in as_configured(1)})
    documents["categories"] = [
        {**one, "category_id": f"cat_{one['category_id']}", "deleted": given_up} for one in documents["categories"]
    ]
    documents["products"] = [{"product_id": "p_a", "category_id": "cat_a"}]
    outcome = found(MONTHS, **documents)
    assert outcome.violations == int(not given_up)
    assert outcome.skipped == ("there is only one group, so nothing can be compared" if given_up else None)
