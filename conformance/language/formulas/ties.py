"""Equality of two numbers: ties of rounding that doubles hide, and tolerances.

9.2 % of 3.75 is 34.5 cents, and 34.49999999999999 in doubles: exact arithmetic goes up, that of doubles down, and both
are right. Half up, a tie that doubles hold exactly goes up in either; half to even, it may also go down. A rule
therefore accepts what any of these makes of the number:

    half_up(34.49999999999999)           AS_DOUBLES: floor(x + 0.5) = 34    UP: floor(x + 0.5000001) = 35
    round_half_even(34.5)                AS_DOUBLES: 34                     UP: round(x + 0.0000001) = 35
    round_half_even(35.50000000000001)   AS_DOUBLES: 36                     DOWN: round(x - 0.0000001) = 35
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Expression = Any

#: By more than doubles are off in sums of up to 3 million dollars, and less than a tie is off from another percentage.
_HIDDEN: Final = 1e-7


@dataclass(frozen=True)
class Tie:
    """Addends of rounding: ``half`` when it rounds half up, ``nudge`` last places when half to even."""

    half: float
    nudge: float


AS_DOUBLES: Final = Tie(half=0.5, nudge=0.0)
UP: Final = Tie(half=0.5 + _HIDDEN, nudge=_HIDDEN)
DOWN: Final = Tie(half=0.5, nudge=-_HIDDEN)


def differs(value: Expression, expected: Expression, tolerance: float) -> Expression:
    """Return the test whether a value is not the expected one, give or take; NaN is within no tolerance."""
    if not tolerance:
        return {"$ne": [value, expected]}
    slack = {"$literal": tolerance + _HIDDEN}
    low, high = {"$subtract": [expected, slack]}, {"$add": [expected, slack]}
    return {"$not": [{"$and": [{"$gte": [value, low]}, {"$lte": [value, high]}]}]}
