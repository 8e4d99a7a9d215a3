"""Documents of each collection, found and expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.results import Report, Result, Status


@dataclass(frozen=True)
class Count:
    """A collection's documents, what was expected, and the status of its counts rule.

    ``expected`` has the bounds, equal when exact, None when unknown; ``expectation`` is for people, perhaps empty.
    """

    collection: str
    documents: int
    expected: tuple[int, int] | None = None
    expectation: str = ""
    status: Status | None = None

    @property
    def difference(self) -> str:
        """Return how many documents are missing or too many, such as ``500 missing``; empty if none or unknown."""
        if self.expected is None:
            return ""
        missing, extra = self.expected[0] - self.documents, self.documents - self.expected[1]
        return f"{missing:,} missing" if missing > 0 else f"{extra:,} too many" if extra > 0 else ""


def counts(report: Report) -> list[Count]:
    """Every collection of the report, in its order.

    The evidence of its counts rule tells the expectation: ``expected`` is a text, a number or two bounds; beside a
    text, ``low`` and ``high`` may give the bounds. Where it does not, there is none.
    """
    rules = {result.collection: result for result in report.results if result.family == "counts"}
    return [_count(name, documents, rules.get(name)) for name, documents in report.counts.items()]


def _count(name: str, documents: int, rule: Result | None) -> Count:
    if rule is None:
        return Count(name, documents)
    bounds = _bounds(rule.evidence)
    stated = rule.evidence.get("expected")
    return Count(name, documents, bounds, stated if isinstance(stated, str) else _text(bounds), rule.status)


def _bounds(evidence: Mapping[str, Any]) -> tuple[int, int] | None:
    stated = evidence.get("expected")
    pair = stated if isinstance(stated, list | tuple) else (evidence.get("low", stated), evidence.get("high", stated))
    return (round(pair[0]), round(pair[1])) if len(pair) == 2 and all(map(_is_number, pair)) else None


def _text(bounds: tuple[int, int] | None) -> str:
    if bounds is None:
        return ""
    return f"{bounds[0]:,}" if bounds[0] == bounds[1] else f"{bounds[0]:,} to {bounds[1]:,}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
