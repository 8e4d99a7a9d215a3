"""The range of every field kind, shared by its strategy and its sampler, so that both draw from the same values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from conformance.kinds import MAX_INTEGER

#: Beyond this the doubles are too coarse for the money test |100x - round(100x)| < 1e-6 to hold for whole cents.
MAX_MONEY: Final = 10_000_000.0
#: Numbers without bounds are drawn from here; larger ones are legal and add nothing.
MAX_PLAIN_NUMBER: Final = 1e9
MAX_LENGTH: Final = 40
FIRST_SECOND: Final = int(dt.datetime(1970, 1, 1, tzinfo=dt.UTC).timestamp())
LAST_SECOND: Final = int(dt.datetime(2099, 12, 31, 23, 59, 59, tzinfo=dt.UTC).timestamp())


def integer_range(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Smallest and largest integer the schema takes."""
    low = max(schema.get("minimum", -MAX_INTEGER), schema.get("exclusiveMinimum", -MAX_INTEGER - 1) + 1)
    high = min(schema.get("maximum", MAX_INTEGER), schema.get("exclusiveMaximum", MAX_INTEGER + 1) - 1)
    return int(low), int(high)


def cents_range(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Smallest and largest money value the schema takes, in whole cents."""
    low = max(schema.get("minimum", -MAX_MONEY), -MAX_MONEY)
    high = min(schema.get("maximum", MAX_MONEY), MAX_MONEY)
    lowest, highest = round(100 * low), round(100 * high)
    if "exclusiveMinimum" in schema:
        lowest = max(lowest, round(100 * schema["exclusiveMinimum"]) + 1)
    if "exclusiveMaximum" in schema:
        highest = min(highest, round(100 * schema["exclusiveMaximum"]) - 1)
    return lowest, highest


def number_range(schema: Mapping[str, Any]) -> tuple[float, float]:
    """Bounds of a plain number; the exclusive ones are still to be left out."""
    low = max(schema.get("minimum", -MAX_PLAIN_NUMBER), schema.get("exclusiveMinimum", -MAX_PLAIN_NUMBER))
    high = min(schema.get("maximum", MAX_PLAIN_NUMBER), schema.get("exclusiveMaximum", MAX_PLAIN_NUMBER))
    return float(low), float(high)


def length_range(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Shortest and longest text, in characters."""
    shortest = schema.get("minLength", 0)
    return shortest, min(schema.get("maxLength", shortest + MAX_LENGTH), shortest + MAX_LENGTH)
