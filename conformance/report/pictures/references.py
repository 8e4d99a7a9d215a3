"""The collections and their references, coloured by the worst that their rules have found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

from conformance.report.pictures.picture import Picture
from conformance.report.pictures.svg import WIDTH, element, picture, text
from conformance.results import Report, Result, Status
from conformance.text.paths import as_subject
from conformance.text.plural import numbered

Edge = Mapping[str, str]
Key = tuple[str, str]


class Lane(NamedTuple):
    """The place of a reference's line in a row that it crosses."""

    key: Key
    row: int


#: An element of a row: the box of a collection, or a lane.
Place = str | Lane

#: The worst first, each with a sign beside its colour, for those who do not see it.
_SIGNS: Final[Mapping[Status, str]] = {"failed": "✗", "error": "?", "warned": "!", "passed": "✓", "skipped": "-"}
_PER_ROW: Final = 3
_HEIGHT: Final = 34.0
_WIDEST: Final = 124.0
_STEP: Final = 84.0
#: Width of a letter of a name at most, and when a long name is squeezed into its box; what is left at either side.
_LETTER: Final = 6.7
_NARROWEST: Final = 4.8
_MARGIN: Final = 5.0
_GAP: Final = 12.0
_CLOSEST: Final = 3.0
_LANE: Final = 10.0
#: Between arrows that meet at one box.
_SPREAD: Final = 18.0


def references(report: Report) -> Iterator[Picture]:
    """One picture of the model, if anything in it refers to anything."""
    edges: Sequence[Edge] = report.measured.get("references", [])
    if not edges:
        return
    names = list(dict.fromkeys([*report.counts, *(edge["target"] for edge in edges)]))
    health = {name: worst(r for r in report.results if r.collection == name) for name in names}
    lines = {_key(edge): worst(_about(report, edge)) for edge in edges}
    broken = [name for name in names if health[name] in ("failed", "error")]
    broken_text = f"broken: {', '.join(broken)}" if broken else "no collection has a broken rule"
    size = f"{numbered(len(names), 'collection')}, {numbered(len(edges), 'reference')}"
    caption = f"{size}; {broken_text}. An arrow leads from a reference to its target."
    title = "References and their status"
    yield Picture(
        name="references",
        title=title,
        caption=caption,
        drawing=_drawing(f"{title}. {caption}", names, without_circles(edges), health, lines),
        columns=("Collection", "Field", "Refers to", "Reference", "Collection's rules"),
        rows=[
            (e["collection"], e["field"], e["target"], _words(lines[_key(e)]), _words(health[e["collection"]]))
            for e in edges
        ],
    )


def without_circles(edges: Sequence[Edge]) -> list[Edge]:
    """Return the edges without those to the own collection and those that close a circle."""
    drawn: list[Edge] = []
    for edge in edges:
        reached, ahead = {edge["target"]}, [edge["target"]]
        while ahead:
            step = ahead.pop()
            further = {each["target"] for each in drawn if each["collection"] == step} - reached
            reached |= further
            ahead += further
        if edge["collection"] not in reached:
            drawn.append(edge)
    return drawn


def worst(results: Any) -> Status | None:
    """Return the status that needs attention most, skipped when there is no other; None when there is no result."""
    found = {result.status for result in results}
    return next((status for status in _SIGNS if status in found), None)


def _about(report: Report, edge: Edge) -> Iterator[Result]:
    """Yield the results of the family references that name the field."""
    for result in report.results:
        if result.family == "references" and result.collection == edge["collection"]:
            parts = result.subject.removesuffix("-deleted").split("+")
            if as_subject(edge["field"]) in parts or result.evidence.get("path") == edge["field"]:
                yield result


def _key(edge: Edge) -> Key:
    return edge["collection"], edge["field"]


def _words(status: Status | None) -> str:
    return status or "not evaluated"


@dataclass(frozen=True)
class Layout:
    """The layout of the drawing: the middle of each box, and the points of each reference's line."""

    boxes: Mapping[str, tuple[float, float]]
    paths: Mapping[Key, Sequence[tuple[float, float]]]
    width: float
    height: float


def layout(names: Sequence[str], edges: Sequence[Edge]) -> Layout:
    """Parents above their children, at most _PER_ROW boxes in a row; lines go around the boxes between.

    A line that crosses rows has a narrow place of its own in each. Every row is ordered by where the lines from
    above begin, which is what keeps most from crossing.
    """
    row_of = {name: depth for depth, row in enumerate(_rows(names, edges)) for name in row}
    depth = max(row_of.values()) + 1
    rows: list[list[Place]] = [[name for name in names if row_of[name] == number] for number in range(depth)]
    above: dict[Place, list[Place]] = {}
    chains: dict[Key, list[Place]] = {}
    for edge in edges:
        lanes = [Lane(_key(edge), row) for row in range(row_of[edge["collection"]] - 1, row_of[edge["target"]], -1)]
        for lane in lanes:
            rows[lane.row].append(lane)
        chains[_key(edge)] = [edge["collection"], *lanes, edge["target"]]
        for lower, upper in pairwise(chains[_key(edge)]):
            above.setdefault(lower, []).append(upper)
    width = min(_WIDEST, *(_room(row) for row in rows))
    at: dict[Place, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        ordered = sorted(row, key=lambda place: _mean([at[up][0] for up in above.get(place, ())]))
        widths = [width if isinstance(place, str) else _LANE for place in ordered]
        gap = min(_GAP, (WIDTH - 2 - sum(widths)) / max(len(row) - 1, 1))
        x = (WIDTH - sum(widths) - gap * (len(row) - 1)) / 2
        for place, wide in zip(ordered, widths, strict=True):
            at[place] = (x + wide / 2, number * _STEP + _HEIGHT / 2 + 1)
            x += wide + gap
    paths = {key: [at[place] for place in chain] for key, chain in chains.items()}
    boxes = {name: at[name] for name in names}
    return Layout(boxes, paths, width, (depth - 1) * _STEP + _HEIGHT + 2)


def _room(row: Sequence[Place]) -> float:
    """Return how wide the boxes of a row can be, when all in it stand as close as may be."""
    boxes = sum(isinstance(place, str) for place in row)
    return (WIDTH - 2 - (len(row) - boxes) * _LANE - (len(row) - 1) * _CLOSEST) / boxes


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else WIDTH / 2


def _rows(names: Sequence[str], edges: Sequence[Edge]) -> list[list[str]]:
    level: dict[str, int] = dict.fromkeys(names, 0)
    for _ in names:  # as often as the longest chain can be
        for edge in edges:
            level[edge["collection"]] = max(level[edge["collection"]], level[edge["target"]] + 1)
    rows: list[list[str]] = []
    for depth in range(max(level.values()) + 1):
        row = [name for name in names if level[name] == depth]
        rows += [row[start : start + _PER_ROW] for start in range(0, len(row), _PER_ROW)]
    return rows


def _drawing(
    label: str,
    names: Sequence[str],
    edges: Sequence[Edge],
    health: Mapping[str, Status | None],
    lines: Mapping[Key, Status | None],
) -> Any:
    places = layout(names, edges)
    drawn = [_arrow(edge, edges, places, lines[_key(edge)]) for edge in edges]
    for name, (x, y) in places.boxes.items():
        status = health[name]
        left, top = x - places.width / 2, y - _HEIGHT / 2
        kind = f"node {status or 'skipped'}"
        drawn.append(element("rect", x=left, y=top, width=places.width, height=_HEIGHT, rx=4, class_=kind))
        sign = _SIGNS[status] if status else "-"
        called, room = f"{sign} {name}", places.width - 2 * _MARGIN
        narrow = room if len(called) * _LETTER > room else None
        drawn.append(text(called, x, y + 4, "name", limit=int(room / _NARROWEST), anchor="middle", width=narrow))
    return picture(places.height, label, *drawn)


def _arrow(edge: Edge, edges: Sequence[Edge], places: Layout, status: Status | None) -> str:
    """From the child's upper edge to the parent's lower one; the arrows that meet at a box stand apart."""
    (x, y), *between, (tip_x, tip_y) = places.paths[_key(edge)]
    x += _apart(edge, [e for e in edges if e["collection"] == edge["collection"]], places, -1)
    tip_x += _apart(edge, [e for e in edges if e["target"] == edge["target"]], places, 0)
    y, tip_y = y - _HEIGHT / 2, tip_y + _HEIGHT / 2
    path = f"M{x:.1f},{y:.1f}"
    for to_x, to_y in [*between, (tip_x, tip_y + 5)]:
        lane = to_y != tip_y + 5
        end = to_y + _HEIGHT / 2 if lane else to_y
        bend = (y - end) / 2
        path += f" C{x:.1f},{y - bend:.1f} {to_x:.1f},{end + bend:.1f} {to_x:.1f},{end:.1f}"
        x, y = to_x, end
        if lane:
            y = to_y - _HEIGHT / 2
            path += f" V{y:.1f}"
    hint = element("title", f"{edge['collection']}.{edge['field']} refers to {edge['target']}: {_words(status)}")
    head = f"M{tip_x - 4:.1f},{tip_y + 7:.1f} L{tip_x:.1f},{tip_y:.1f} L{tip_x + 4:.1f},{tip_y + 7:.1f} Z"
    kind = status or "skipped"
    return element("path", hint, d=path, class_=f"edge {kind}") + element("path", d=head, class_=f"head {kind}")


def _apart(edge: Edge, others: Sequence[Edge], places: Layout, end: int) -> float:
    """Return how far from the middle of its box an arrow ends: in the order of where they come from or go to."""
    far = 1 if end == -1 else -2
    ordered = sorted(others, key=lambda one: places.paths[_key(one)][far][0])
    return (ordered.index(edge) - (len(ordered) - 1) / 2) * _SPREAD
