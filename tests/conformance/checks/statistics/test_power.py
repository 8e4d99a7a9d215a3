"""Sizes of the deviations that each statistical rule detects, computed as documented in docs/TESTING.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

import numpy as np
import pytest

from conformance.checks.statistics.g_test import POWER, g_test
from conformance.config.settings import Settings
from conformance.language.calendar import day_weight, days_by_year
from tests.models import shipped_model
from tests.root import ROOT
from tests.validation import shipped_configuration

pytestmark = pytest.mark.slow

TEXT: Final = (ROOT / "docs" / "TESTING.md").read_text(encoding="utf-8")
MODEL: Final = shipped_model()
SETTINGS: Final = Settings()
CONFIGURATION: Final = shipped_configuration()
SHARES: Final = {share.subject: share for share in CONFIGURATION.rules.distributions}
LINES_PER_ORDER: Final = MODEL["order_items"].cardinality["mean"]
DATASETS: Final = 300

Rows = list[list[float]]


def stores() -> tuple[Rows, Rows]:
    """Return the configured distribution, and that of equal stores."""
    weights = list(CONFIGURATION.table(SHARES["store_id"].expected).values())
    return [weights], [[1.0] * len(weights)]


def years() -> tuple[Rows, Rows]:
    """Return the configured distribution over the default period, and that of equal years."""
    figures = CONFIGURATION.table(SHARES["order_date"].expected)
    days = days_by_year(SETTINGS.start_date, SETTINGS.end_date)
    return [[day_weight(figures, year) * number for year, number in days.items()]], [[*map(float, days.values())]]


def seasons() -> tuple[Rows, Rows]:
    """Return each month's distribution of categories, and that of a year without seasons."""
    curves = [list(one["seasonal_multipliers"].values()) for one in CONFIGURATION.catalogue["categories"]]
    table = np.array(curves).T
    months = table / table.sum(axis=1, keepdims=True)
    return months.tolist(), [months.mean(axis=0).tolist()] * len(months)


#: By rule: its distribution, the distribution of the deviation that it is named for, and documents per order.
RULES: Final[Mapping[str, tuple[Callable[[], tuple[Rows, Rows]], float]]] = {
    "stores all alike": (stores, 1.0),
    "flat years": (years, 1.0),
    "no seasons": (seasons, LINES_PER_ORDER),
}


def power(rule: str, orders: float, part: float = 1.0) -> float:
    """Return the probability of detecting this part of the deviation (1: all of it) in this number of orders."""
    table, per_order = RULES[rule]
    truth, deviation = (np.array(rows) / np.sum(rows, axis=1, keepdims=True) for rows in table())
    mixed = (1 - part) * truth + part * deviation
    n = orders * per_order / len(truth)
    return g_test((n * truth).tolist(), truth.tolist(), mixed.tolist(), 1e-6).power


def least_orders(rule: str) -> int:
    """Return the number of orders from which the rule runs."""
    low, high = 1, 1_000_000
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(rule, middle) >= POWER else (middle + 1, high)
    return low


def least_part(rule: str, orders: int) -> float:
    """Return the smallest part of the deviation detected with the required power; in hundredths, rounded up."""
    return next((part / 100 for part in range(1, 101) if power(rule, orders, part / 100) >= POWER), float("inf"))


def rows() -> dict[str, list[str]]:
    """Return the table of docs/TESTING.md by deviation."""
    lines = re.findall(r"^\| (.+?) \|(.*)\|$", TEXT, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in lines if name in RULES}


@pytest.mark.parametrize("rule", RULES)
def test_documented_table_equals_the_computation(rule: str) -> None:
    least, *cells = rows()[rule]
    orders = int(re.sub(r"\D", "", least))
    assert abs(orders - least_orders(rule)) <= 0.01 * orders
    for size, cell in zip((1_000, 10_000, 200_000), cells, strict=True):
        stated, part = re.fullmatch(r"([\d.]+)(?:, from (\d+) %| \(skipped\))", cell).groups()
        assert float(stated) == pytest.approx(power(rule, size), abs=0.005)
        assert (int(part) / 100 if part else float("inf")) == least_part(rule, size)


@pytest.mark.parametrize("rule", RULES)
def test_power_grows_with_the_number_of_orders(rule: str) -> None:
    assert all(power(rule, few) <= power(rule, many) for few, many in pairwise((100, 1_000, 10_000, 100_000)))
    assert power(rule, 200_000, 0.0) < 1e-5


def test_expected_false_alarms_of_all_rules_are_documented() -> None:
    """The numbers of docs/TESTING.md are rules, datasets, significance and expected false alarms."""
    (significance,) = {share.significance for share in CONFIGURATION.rules.distributions}
    assert significance == 1e-6
    expected = len(RULES) * DATASETS * significance
    assert len(RULES) == len(SHARES)
    assert f"{len(RULES) * DATASETS} tests, of which {expected:.4f} are expected to fail by chance" in " ".join(
        TEXT.split()
    )
    assert expected < 0.001
