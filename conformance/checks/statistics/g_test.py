"""The one statistical test of the harness: the G-test (likelihood ratio) of observed counts against shares.

G is used rather than Pearson's chi-square because its far tail is right: with 10 expected, 26 or more occur with
probability 1.8e-5; G says 2.6e-5, Pearson 4e-7. At a significance of 1e-6 per rule that is the difference between one
false alarm in a million runs and one in some thousands. Each row's G is divided by Williams' correction: with about
five expected in each of twelve rows of nine cells plain G rejects 13 times too often at 1e-5, corrected 1.7 times (the
rest is that counts are whole). tests/conformance/checks/statistics/test_g_test.py measures
both the level and the power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import chdtrc, chdtri, chndtr, chndtrinc  # here: it parses code, which no thread may do

Array = np.ndarray[Any, Any]

#: Cells with fewer expected are pooled: the chi-square distribution of G needs about this many in each.
MIN_EXPECTED: Final = 5.0
#: Chance, at least, of catching the deviation that a rule is named for; below it nothing found means nothing.
POWER: Final = 0.99


@dataclass(frozen=True)
class GTest:
    """Result of a test: ``power`` is the chance of rejecting had the data followed the alternative.

    ``needed`` is how many times as much data would bring the power to POWER (1.0 or less: there is enough).
    """

    statistic: float
    degrees: int
    p_value: float
    power: float
    needed: float


def g_test(
    observed: Sequence[Sequence[float]],
    shares: Sequence[Sequence[float]],
    alternative: Sequence[Sequence[float]],
    significance: float,
) -> GTest:
    """Test rows of counts (one row per month, say), each against its own shares, together.

    ``shares`` and ``alternative`` are weights of any positive sum per row. Rows without counts do not take part.
    """
    statistic, degrees, noncentrality = 0.0, 0, 0.0
    for counts, weights, others in zip(observed, shares, alternative, strict=True):
        n = float(np.sum(counts))
        if not n:
            continue
        found, expected, otherwise = _pooled(np.asarray(counts, float), n * _unit(weights), n * _unit(others))
        if len(found) < 2:
            continue
        correction = _williams(expected)
        statistic += _divergence(found, expected) / correction
        noncentrality += _divergence(otherwise, expected) / correction
        degrees += len(found) - 1
    if not degrees:
        return GTest(0.0, 0, 1.0, 0.0, float("inf"))
    limit = float(chdtri(degrees, significance))
    wanted = float(chndtrinc(limit, degrees, 1 - POWER))
    power = 1 - float(chndtr(limit, degrees, noncentrality))
    needed = wanted / noncentrality if noncentrality > 1e-9 else float("inf")
    return GTest(statistic, degrees, float(chdtrc(degrees, statistic)), power, needed)


def _unit(weights: Sequence[float]) -> Array:
    array = np.asarray(weights, float)
    unit: Array = array / array.sum()
    return unit


def _divergence(found: Array, expected: Array) -> float:
    occurring = found > 0
    return float(2 * np.sum(found[occurring] * np.log(found[occurring] / expected[occurring])))


def _williams(expected: Array) -> float:
    """By how much the mean of G exceeds its degrees of freedom: 1 + (sum of 1/p - 1) / (6 n (k - 1)), Williams 1976."""
    n = float(expected.sum())
    return 1 + (float(np.sum(n / expected)) - 1) / (6 * n * (len(expected) - 1))


def _pooled(found: Array, expected: Array, otherwise: Array) -> tuple[Array, Array, Array]:
    """Return the cells, those with too few expected made one (joined to the smallest other if still too few)."""
    order = np.argsort(expected, kind="stable")
    found, expected, otherwise = found[order], expected[order], otherwise[order]
    small = (
        int(np.searchsorted(np.cumsum(expected), MIN_EXPECTED, side="left")) + 1 if expected[0] < MIN_EXPECTED else 1
    )
    while small < len(expected) and expected[small] < MIN_EXPECTED:
        small += 1
    return tuple(np.concatenate(([cells[:small].sum()], cells[small:])) for cells in (found, expected, otherwise))  # type: ignore[return-value]
