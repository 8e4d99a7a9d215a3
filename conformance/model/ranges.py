"""The range of every field kind, shared by its strategy and its sampler, so that both draw from the same values."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final

from conformance.model.kinds import MAX_EXACT_MONEY, MAX_INTEGER

#: Numbers without bounds are drawn from here; larger ones are legal and add nothing.
MAX_PLAIN_NUMBER: Final = 1e9
MAX_LENGTH: Final = 40
#: Keys of a free map, items of an array: at most this many more than the fewest.
MAX_SPREAD: Final = 4
FIRST_SECOND: Final = int(dt.datetime(1970, 1, 1, tzinfo=dt.UTC).timestamp())
LAST_SECOND: Final = int(dt.datetime(2099, 12, 31, 23, 59, 59, tzinfo=dt.UTC).timestamp())


def integer_range(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Smallest and largest integer the schema takes; an empty range (low above high) when it takes none."""
    low = max(math.ceil(schema.get("minimum", -MAX_INTEGER)), -MAX_INTEGER)
    high = min(math.floor(schema.get("maximum", MAX_INTEGER)), MAX_INTEGER)
    if "exclusiveMinimum" in schema:
        low = max(low, math.floor(schema["exclusiveMinimum"]) + 1)
    if "exclusiveMaximum" in schema:
        high = min(high, math.ceil(schema["exclusiveMaximum"]) - 1)
    return low, high


def cents_range(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Smallest and largest money value the schema takes, in whole cents; empty (low above high) when it takes none.

    The bounds are compared as documents hold them (cents / 100), because 100 x 0.07 is not 7.
    """
    low = schema.get("minimum", -MAX_EXACT_MONEY)
    high = schema.get("maximum", MAX_EXACT_MONEY)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    lowest = math.floor(100 * max(low, above, -MAX_EXACT_MONEY)) - 1
    highest = math.ceil(100 * min(high, below, MAX_EXACT_MONEY)) + 1
    while lowest / 100 < low or lowest / 100 <= above or lowest / 100 < -MAX_EXACT_MONEY:
        lowest += 1
    while highest / 100 > high or highest / 100 >= below or highest / 100 > MAX_EXACT_MONEY:
        highest -= 1
    return lowest, highest


def number_range(schema: Mapping[str, Any], unbounded: float = MAX_PLAIN_NUMBER) -> tuple[float, float]:
    """Smallest and largest double the schema takes; a missing bound lies ``unbounded`` away from zero, or the other."""
    low = float(max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf)))
    high = float(min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf)))
    if math.isinf(low):
        low = -unbounded if high > -unbounded else high - unbounded
    if math.isinf(high):
        high = unbounded if low < unbounded else low + unbounded
    if low == schema.get("exclusiveMinimum"):
        low = math.nextafter(low, math.inf)
    if high == schema.get("exclusiveMaximum"):
        high = math.nextafter(high, -math.inf)
    return low, high


def element_range(schema: Mapping[str, Any]) -> tuple[float, float]:
    """Smallest and largest element of an array; without bounds within 1 of zero, as embeddings are."""
    return number_range(schema["items"], 1.0)


def length_range(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Shortest and longest text, in characters."""
    shortest = schema.get("minLength", 0)
    return shortest, min(schema.get("maxLength", shortest + MAX_LENGTH), shortest + MAX_LENGTH)


def items_range(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Fewest and most elements of an array."""
    fewest = schema.get("minItems", 0)
    return fewest, min(schema.get("maxItems", fewest + MAX_SPREAD), fewest + MAX_SPREAD)


def size_range(schema: Mapping[str, Any]) -> tuple[int, int]:
    """Fewest and most keys of a free map."""
    fewest = schema.get("minProperties", 0)
    return fewest, min(schema.get("maxProperties", fewest + MAX_SPREAD), fewest + MAX_SPREAD)
