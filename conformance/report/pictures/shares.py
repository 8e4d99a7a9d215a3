"""Shares of groups beside the configured ones: bars for one row of groups, a small chart each where months split it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance.report.pictures.picture import Picture, off
from conformance.report.pictures.svg import WIDTH, element, legend, line, picture, rule, text
from conformance.results import Report, Result

Row = Mapping[str, Any]

_LABEL: Final = 130.0
_NUMBER: Final = 98.0
_STEP: Final = 22.0
_TOP: Final = 24.0
#: Groups drawn; the rest stands in the table.
_DRAWN: Final = 30


def shares(report: Report) -> Iterator[Picture]:
    """Return one picture for each evaluated distribution except those by year: months show more."""
    by_month = report.measured.get("months", {})
    for result in report.results:
        picture = share(result) if result.id not in by_month else None
        if picture is not None:
            yield picture


def share(result: Result) -> Picture | None:
    """Return the picture of one distribution; None for other results, or if it was not evaluated."""
    table: Mapping[str, Row] | None = result.evidence.get("table")
    if not table:
        return None
    return _seasons(result, table) if len(table) > 1 else _bars(result, next(iter(table.values())))


def _bars(result: Result, row: Row) -> Picture:
    whole = sum(found for found, _ in row.values()) or 1
    ordered = sorted(row.items(), key=lambda item: -item[1][1])
    worst, (found, expected) = max(ordered, key=lambda item: abs(item[1][0] - item[1][1]))
    caption = (
        f"{len(row)} groups; the largest deviation is that of {worst}: {100 * found / whole:.2f} % found,"
        f" {100 * expected / whole:.2f} % expected."
    )
    longest = max(max(pair) for pair in row.values()) or 1
    room = WIDTH - _LABEL - _NUMBER
    drawn = []
    for place, (name, (found, expected)) in enumerate(ordered[:_DRAWN]):
        y = _TOP + place * _STEP
        mark = _LABEL + room * expected / longest
        drawn += [
            text(name, 0, y + 11, limit=22),
            element("rect", x=_LABEL, y=y + 2, width=room * found / longest, height=11, class_="found"),
            rule(mark, y - 1, mark, y + 16, "mark"),
            text(f"{100 * found / whole:.1f} %  {off(found, expected)}", WIDTH, y + 11, "quiet", anchor="end"),
        ]
    height = _TOP + min(len(ordered), _DRAWN) * _STEP
    entries = [("found", "found"), ("mark", "expected")]
    return Picture(
        name=f"shares-{result.collection}-{result.subject}",
        title=result.title,
        caption=caption,
        drawing=picture(height, f"{result.title}. {caption}", *legend(entries, 12), *drawn),
        columns=("Group", "Found", "Expected", "Off"),
        rows=[(name, f"{n:,}", f"{wanted:,.0f}", off(n, wanted)) for name, (n, wanted) in ordered],
        rule=result.id,
    )


def _seasons(result: Result, table: Mapping[str, Row]) -> Picture:
    groups = sorted({name for row in table.values() for name in row})
    parts = {group: [_fractions(row, group) for row in table.values()] for group in groups}
    highest = max((max(pair) for row in parts.values() for pair in row), default=0) or 1
    distance = {group: max(abs(found - wanted) for found, wanted in row) for group, row in parts.items()}
    worst = max(groups, key=distance.__getitem__)
    caption = (
        f"{len(groups)} groups in {len(table)} months; the largest difference between found and expected share is"
        f" {100 * distance[worst]:.1f} points, of {worst}."
    )
    width, room, step = (WIDTH - 16) / 2, 52.0, 78.0
    drawn = []
    for place, group in enumerate(groups[:_DRAWN]):
        left, top = (place % 2) * (width + 16), _TOP + (place // 2) * step
        bar = width / len(table)
        heights = [(room * found / highest, room * wanted / highest) for found, wanted in parts[group]]
        drawn.append(text(group, left, top + 10, limit=32))
        drawn += [
            element(
                "rect", x=left + n * bar + 1, y=top + 16 + room - found, width=bar - 2, height=found, class_="found"
            )
            for n, (found, _) in enumerate(heights)
        ]
        drawn.append(rule(left, top + 16 + room, left + width, top + 16 + room, "axis"))
        middle = [(left + (n + 0.5) * bar, top + 16 + room - wanted) for n, (_, wanted) in enumerate(heights)]
        drawn.append(line(middle, "line wanted"))
    height = _TOP + -(-min(len(groups), _DRAWN) // 2) * step
    rows = [
        (group, name, f"{100 * found:.1f} %", f"{100 * wanted:.1f} %")
        for group in groups
        for name, (found, wanted) in zip(table, parts[group], strict=True)
    ]
    entries = [("found", "share of the month, January to December"), ("line wanted", "expected")]
    return Picture(
        name=f"shares-{result.collection}-{result.subject}",
        title=result.title,
        caption=caption,
        drawing=picture(height, f"{result.title}. {caption}", *legend(entries, 12), *drawn),
        columns=("Group", "Month", "Found", "Expected"),
        rows=rows,
        rule=result.id,
    )


def _fractions(row: Row, group: str) -> tuple[float, float]:
    """Found and expected share of a group in its row."""
    whole = sum(found for found, _ in row.values()) or 1
    found, expected = row.get(group, (0, 0.0))
    return found / whole, expected / whole
