"""The G-test: its false-positive rate, its power, and how it pools small cells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from conformance.checks.statistics.g_test import MIN_EXPECTED, g_test
from conformance.language.calendar import day_weight, days_by_year
from tests.profiles import FACTOR

pytestmark = pytest.mark.slow

YEARS = [1.0, 1.1, 1.21, 1.15, 1.265, 1.392, 1.531]
STORES = [90.0, 65.0, 48.0, 16.0, 12.6, 9.6, 5.6, 90.0]
EVEN = [1.0] * 9
DRAWS = 20_000 * FACTOR


def p_values(shares: Sequence[float], n: int, draws: int, rows: int = 1) -> np.ndarray:
    """Return the p-values of the test on data that follows the distribution."""
    chance = np.array(shares) / sum(shares)
    counts = np.random.default_rng(20240115).multinomial(n, chance, (draws, rows))
    return np.array([g_test(one, [shares] * rows, [EVEN[: len(shares)]] * rows, 1e-6).p_value for one in counts])


@pytest.mark.parametrize(
    ("shares", "n"),
    [(STORES, 10_000), (STORES, 300), (STORES, 30), (YEARS, 1_000), (YEARS, 60)],
    ids=["stores", "stores, few", "stores, very few", "years", "years, few"],
)
def test_false_positive_rate_is_at_most_the_significance(shares: list[float], n: int) -> None:
    """Correct distributions are rejected at most as often as the significance, within four standard errors."""
    draws = DRAWS // 4
    found = p_values(shares, n, draws)
    for significance in (1e-1, 1e-2, 1e-3):
        error = (significance * (1 - significance) / draws) ** 0.5
        assert (found < significance).mean() <= significance + 4 * error
    assert (found < 0.1).mean() > 0.05


def test_false_positive_rate_holds_for_many_small_cells() -> None:
    """There are twelve rows of nine cells with seven expected in each; uncorrected, G rejects twice as often."""
    draws = DRAWS // 10
    found = p_values(EVEN, 63, draws, rows=12)
    for significance in (1e-1, 1e-2):
        error = (significance * (1 - significance) / draws) ** 0.5
        assert (found < significance).mean() <= 1.15 * significance + 4 * error


@pytest.mark.parametrize(("orders", "design"), [(1_000, 0.07), (3_000, 0.93), (10_000, 1.00)])
def test_power_equals_the_simulated_power(orders: int, design: float) -> None:
    """Flat years instead of growing ones: the formula, the simulation and the design agree."""
    draws = DRAWS // 10
    computed = g_test([[orders / 7] * 7], [YEARS], [EVEN[:7]], 1e-6).power
    flat = np.random.default_rng(7).multinomial(orders, np.ones(7) / 7, draws)
    caught = np.mean([g_test([one], [YEARS], [EVEN[:7]], 1e-6).p_value < 1e-6 for one in flat])
    assert computed == pytest.approx(design, abs=0.01)
    assert abs(caught - computed) <= 4 * (computed * (1 - computed) / draws) ** 0.5 + 0.01


def test_needed_factor_gives_a_power_of_99_percent() -> None:
    """With this multiple of the data the power is 0.99."""
    few = g_test([[1_000 / 7] * 7], [YEARS], [EVEN[:7]], 1e-6)
    n = 1_000 * few.needed
    assert g_test([[n / 7] * 7], [YEARS], [EVEN[:7]], 1e-6).power == pytest.approx(0.99, abs=0.002)
    assert g_test([[1_000 / 7] * 7], [YEARS], [YEARS], 1e-6).needed == float("inf")


def test_needed_factor_is_finite_for_few_counts() -> None:
    """There are twenty orders of two stores whose fractions differ by two percent."""
    few = g_test([[10, 10]], [[51, 49]], [[50, 50]], 1e-6)
    n = 20 * few.needed
    assert few.power < 1e-5
    assert g_test([[n / 2] * 2], [[51, 49]], [[50, 50]], 1e-6).power == pytest.approx(0.99, abs=0.003)


def test_wrong_distributions_are_detected_at_full_size() -> None:
    """Flat years and even stores among 200,000 orders are always rejected."""
    assert g_test([[200_000 / 7] * 7], [YEARS], [EVEN[:7]], 1e-6).p_value < 1e-100
    assert g_test([[25_000] * 8], [STORES], [EVEN[:8]], 1e-6).p_value < 1e-100


@pytest.mark.parametrize(
    ("counts", "shares", "degrees"),
    [
        ([10, 10], [1, 1], 1),
        ([100, 100, 4], [50, 50, 2], 1),  # 4 expected in the third: it joins the smallest other
        ([100, 100, 4, 4], [50, 50, 2, 2], 2),  # two that make 8 together
        ([100, 100, 5], [50, 50, 2.5], 2),
        ([5, 5, 5, 5], [1, 1, 1, 1], 3),
        ([100, 100, 3, 4, 3], [100, 100, 3, 4, 3], 2),  # two that would do, and a third that alone would not
        ([3, 3], [1, 1], 0),  # all of it too few: one cell, nothing to compare
        ([500], [1], 0),
        ([0, 0], [1, 1], 0),
        ([100, 100, 0], [50, 50, 1e-9], 1),
    ],
)
def test_cells_with_too_few_expected_are_pooled(counts: list[int], shares: list[float], degrees: int) -> None:
    """Cells are pooled until each has MIN_EXPECTED."""
    test = g_test([counts], [shares], [[1.0] * len(shares)], 1e-6)
    assert MIN_EXPECTED == 5.0
    assert test.degrees == degrees
    if not degrees:
        assert (test.statistic, test.p_value, test.power) == (0.0, 1.0, 0.0)


def test_statistics_of_rows_are_added() -> None:
    """Each row is compared with its own distribution; a row without counts is ignored; weights need no fixed sum."""
    one = g_test([[60, 40]], [[1, 1]], [[2, 1]], 1e-6)
    two = g_test([[60, 40], [60, 40], [0, 0]], [[1, 1], [70, 70], [1, 1]], [[2, 1]] * 3, 1e-6)
    assert two.degrees == 2 * one.degrees
    assert two.statistic == pytest.approx(2 * one.statistic)


@pytest.mark.parametrize("nothing", [[0, 0], [3, 3]])
def test_row_without_information_is_ignored(nothing: list[float]) -> None:
    """Such a row has no counts, or too few for two cells."""
    alone = g_test([[60, 40]], [[1, 1]], [[2, 1]], 1e-6)
    assert g_test([nothing, [60, 40]], [[1, 1]] * 2, [[2, 1]] * 2, 1e-6) == alone


def test_statistic_equals_the_manual_result() -> None:
    """2 x sum of observed x ln(observed / expected), over Williams' 1 + (sum of 1/p - 1) / (6 n (k - 1))."""
    g = 2 * (60 * np.log(60 / 50) + 40 * np.log(40 / 50))
    assert g_test([[60, 40]], [[1, 1]], [[1, 1]], 1e-6).statistic == pytest.approx(g / (1 + 3 / 600))
    lost = 2 * 100 * np.log(2)
    assert g_test([[100, 0]], [[1, 1]], [[1, 1]], 1e-6).statistic == pytest.approx(lost / (1 + 3 / 600))


def test_exact_distribution_has_p_value_1() -> None:
    """Data exactly as expected has a p-value of one."""
    test = g_test([[30, 20, 50]], [[3, 2, 5]], [[1, 1, 1]], 1e-6)
    assert test.statistic == pytest.approx(0, abs=1e-12)
    assert test.p_value == pytest.approx(1)


def test_years_are_weighted_by_their_days() -> None:
    """A day of a leap year has a 366th of its year, and a year beyond the table has the nearest one's weight."""
    weights = {2020: 366.0, 2021: 365.0}
    assert day_weight(weights, 2020) == day_weight(weights, 2021) == 1.0
    assert day_weight(weights, 2019) == 366 / 365
    assert day_weight(weights, 2030) == 1.0
    first, last = dt.date(2020, 12, 31), dt.date(2022, 1, 2)
    assert days_by_year(first, last) == {2020: 1, 2021: 365, 2022: 2}
    assert days_by_year(first, first) == {2020: 1}
