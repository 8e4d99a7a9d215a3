"""When two numbers are equal: ties of rounding that doubles hide, and tolerances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from conformance.config.configuration import rewritten
from conformance.language.expressions import EXACTLY, HALF, MORE_THAN_HALF, TIE, Expression

#: What takes the place of the objects that rounding adds, where a tie goes up, and where it goes down.
_DIRECTIONS: Final[tuple[Mapping[int, Expression], ...]] = (
    {id(HALF): MORE_THAN_HALF, id(EXACTLY): {"$literal": TIE}},
    {id(EXACTLY): {"$literal": -TIE}},
)


def readings(plain: Expression) -> list[Expression]:
    """Return the expression, and those that differ from it where a tie goes up, and where it goes down.

    9.2 % of 3.75 is 34.5 cents, and 34.49999999999999 in doubles: exact arithmetic goes up, that of doubles down, and
    both are right. Half up, a tie that doubles hold exactly goes up in either; half to even, it may also go down.
    """
    seen = [rewritten(plain, _replacing(parts)) for parts in _DIRECTIONS]
    return [plain, *(reading for reading in seen if reading != plain)]


def differs(value: Expression, expected: Expression, tolerance: float) -> Expression:
    """Return the test whether a value is not the expected one, give or take; NaN is within no tolerance."""
    if not tolerance:
        return {"$ne": [value, expected]}
    slack = {"$literal": tolerance + TIE}
    low, high = {"$subtract": [expected, slack]}, {"$add": [expected, slack]}
    return {"$not": [{"$and": [{"$gte": [value, low]}, {"$lte": [value, high]}]}]}


def _replacing(parts: Mapping[int, Expression]) -> Callable[[Expression], Expression]:
    return lambda part: parts.get(id(part), part)
