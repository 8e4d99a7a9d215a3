"""Weights of the days of a period within their years, shared by the generator and the rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any


def day_weight(year_weights: Mapping[Any, float], year: int) -> float:
    """Return the weight of one day of a year; a year beyond the table has that of the nearest in it."""
    nearest = min(year_weights, key=lambda known: (abs(known - year), known))
    return year_weights[nearest] / days_of(year)


def days_of(year: int) -> int:
    """365 or 366."""
    return (dt.date(year, 12, 31) - dt.date(year, 1, 1)).days + 1


def days_by_year(first: dt.date, last: dt.date) -> dict[int, int]:
    """Days of the period, both ends included, in each year that it touches."""
    return {
        year: (min(last, dt.date(year, 12, 31)) - max(first, dt.date(year, 1, 1))).days + 1
        for year in range(first.year, last.year + 1)
    }


def day_number(day: dt.date) -> int:
    """Days since 1970-01-01."""
    return (day - dt.date(1970, 1, 1)).days
