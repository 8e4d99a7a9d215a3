"""A bar chart of documents per collection, as the numbers an inline SVG needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from conformance.report.counts import Count

WIDTH: Final = 1000
_VISIBLE: Final = 2.0


@dataclass(frozen=True)
class Bar:
    """One bar, in units of which WIDTH is the longest: ``length``, and where what was expected begins and ends."""

    count: Count
    length: float
    expected: tuple[float, float] | None


def bars(counts: Sequence[Count]) -> list[Bar]:
    """One bar per collection on one linear scale; a collection with any document at all has a bar that shows."""
    longest = max((max(count.documents, *(count.expected or (0,))) for count in counts), default=0) or 1

    def scaled(number: int) -> float:
        return round(max(WIDTH * number / longest, _VISIBLE if number else 0.0), 1)

    return [
        Bar(
            count,
            scaled(count.documents),
            None if count.expected is None else (scaled(count.expected[0]), scaled(count.expected[1])),
        )
        for count in counts
    ]
