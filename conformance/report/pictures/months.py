"""Documents by month, beside what the configured growth makes one expect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance.report.pictures.picture import Picture, off
from conformance.report.pictures.svg import WIDTH, legend, line, picture, rule, text, ticks
from conformance.results import Report, Result

_LEFT: Final = 44.0
_TOP: Final = 26.0
_PLOT: Final = 150.0
#: Labels of the axis of time: more would touch each other.
_LABELS: Final = 8


def months(report: Report) -> Iterator[Picture]:
    """Return one picture for each distribution of years that was evaluated."""
    results = {result.id: result for result in report.results}
    for rule_id, part in report.measured.get("months", {}).items():
        if rule_id in results and len(part["months"]) > 1:
            yield _picture(results[rule_id], part["collection"], part["months"])


def _picture(result: Result, collection: str, by_month: Mapping[str, Any]) -> Picture:
    names = list(by_month)
    worst = max(names, key=lambda name: abs(by_month[name][0] - by_month[name][1]))
    found, expected = by_month[worst]
    caption = (
        f"{len(names)} months; the one furthest from what the configured growth expects is {worst}:"
        f" {found:,} found, {expected:,.0f} expected."
    )
    return Picture(
        name=f"months-{collection}",
        title=f"{collection} by month",
        caption=caption,
        drawing=_drawing(f"{collection} by month. {caption}", names, by_month),
        columns=("Month", "Found", "Expected", "Off"),
        rows=[(name, f"{n:,}", f"{wanted:,.0f}", off(n, wanted)) for name, (n, wanted) in by_month.items()],
        rule=result.id,
    )


def _drawing(label: str, names: list[str], by_month: Mapping[str, Any]) -> Any:
    marks = ticks(max(max(pair) for pair in by_month.values()))
    step = (WIDTH - _LEFT) / len(names)

    def at(place: int) -> float:
        return _LEFT + (place + 0.5) * step

    def height(number: float) -> float:
        return _TOP + _PLOT * (1 - number / marks[-1])

    axis = [rule(_LEFT, height(mark), WIDTH, height(mark), "grid") for mark in marks]
    axis += [text(f"{mark:,.0f}", _LEFT - 4, height(mark) + 4, "quiet", anchor="end") for mark in marks]
    every = -(-len(names) // _LABELS)
    whole_years = len(names) > 2 * 12
    starts = [place for place, name in enumerate(names) if not whole_years or name.endswith("-01")]
    starts = starts[:: -(-len(starts) // _LABELS)] if whole_years else starts[::every]
    for place in starts:
        axis.append(rule(at(place), _TOP + _PLOT, at(place), _TOP + _PLOT + 4, "axis"))
        axis.append(text(names[place][:4] if whole_years else names[place], at(place), _TOP + _PLOT + 16, "quiet"))
    return picture(
        _TOP + _PLOT + 22,
        label,
        *legend([("line found", "found"), ("line wanted", "expected")], 12),
        *axis,
        line([(at(place), height(by_month[name][1])) for place, name in enumerate(names)], "line wanted"),
        line([(at(place), height(by_month[name][0])) for place, name in enumerate(names)], "line found"),
    )
