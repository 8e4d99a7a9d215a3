"""Distributions: the counted documents, the expected values, and their evidence in the report."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId, Regex
from pymongo.database import Database

from conformance.checks.base import Rule
from conformance.checks.statistics import distribution
from conformance.checks.statistics.g_test import g_test
from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.language.calendar import day_weight, days_by_year
from conformance.model.collection import Model
from conformance.results import Outcome
from tests.conformance.rules.finding import Finding
from tests.validation import configuration_for, context_for

Document = dict[str, Any]

STORES = "business.orders.store_id-shares"
YEARS = "business.orders.order_date-shares"
MONTHS = "business.order_items.product_id-shares"
SIGNIFICANCE = 1e-6
#: Weight x frequency, as config/generation.yaml has them.
WEIGHTS = {
    "store_seattle": 90.0, "store_bellevue": 65.0, "store_tacoma": 48.0, "store_spokane": 16.0, "store_everett": 12.6,
    "store_redmond": 9.6, "store_kirkland": 5.6, "store_online": 90.0,
}  # fmt: skip
YEAR_WEIGHTS = {2020: 1.0, 2021: 1.1, 2022: 1.21, 2023: 1.15, 2024: 1.265, 2025: 1.392, 2026: 1.531}
#: Values that belong to no group: they are not counted and not reported.
STRANGE: list[Any] = [None, 7, 2.5, True, ["store_seattle"], {"a": 1}, ObjectId(), Regex("store"), "store_nowhere", ""]


def orders(counts: dict[str, int], field: str) -> list[Document]:
    return [{field: key} for key, number in counts.items() for _ in range(number)]


def by_weight(n: int) -> dict[str, int]:
    return {store: round(n * weight / sum(WEIGHTS.values())) for store, weight in WEIGHTS.items()}


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


SEASONS = {"a": [1.0, 2.0, 1.0, 0.5] * 3, "b": [2.0, 1.0, 1.0, 1.5] * 3, "c": [1.0] * 12}
NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def seasonal(months: dict[str, dict[str, int]], **multipliers: Any) -> dict[str, list[Document]]:
    """Return lines of one product per category, with these numbers in each month."""
    return {
        "categories": [
            {"category_id": key, "seasonal_multipliers": multipliers.get(key, dict(zip(NAMES, values, strict=True)))}
            for key, values in SEASONS.items()
        ],
        "products": [*({"product_id": f"p_{key}", "category_id": key} for key in SEASONS), {"product_id": "odd"}],
        "order_items": [
            {"order_id": f"order_2024{month}01_1", "product_id": f"p_{key}"}
            for month, counts in months.items()
            for key, number in counts.items()
            for _ in range(number)
        ],
    }


def as_configured(n: int) -> dict[str, dict[str, int]]:
    """Return about n lines per month."""
    return {
        f"{month + 1:02}": {
            key: round(n * values[month] / sum(one[month] for one in SEASONS.values()))
            for key, values in SEASONS.items()
        }
        for month in range(12)
    }


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
