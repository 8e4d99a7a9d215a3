"""Pictures: each has a text description and correct numbers, and exists only if its data was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from conformance.report.pictures import Picture, pictures
from conformance.report.pictures.picture import bytes_in_words, off
from conformance.report.pictures.references import layout, without_circles, worst
from conformance.report.pictures.svg import WIDTH, element, text, ticks
from conformance.results import Report
from tests.conformance.report.report_example import HOSTILE, MEASURED, REPORT, SHARES, result, share

WHOLE = replace(REPORT, results=[*REPORT.results, *SHARES], measured=MEASURED)


def drawn(run: Report = WHOLE) -> dict[str, Picture]:
    """Return the pictures of a run by name."""
    return {picture.name: picture for picture in pictures(run)}


def with_measured(**parts: Any) -> Report:
    """Return the example run with only these measurements."""
    return replace(WHOLE, measured=parts)


def test_every_measurement_has_a_picture() -> None:
    names = ["references", "months-children", "shares-children-parent_id-shares", "shares-vectors-kind-shares"]
    assert list(drawn()) == [*names, "sizes", "devices", "indexes"]
    assert drawn(REPORT) == {}


@pytest.mark.parametrize("picture", pictures(WHOLE), ids=lambda picture: picture.name)
def test_every_picture_has_a_label_and_a_table(picture: Picture) -> None:
    label = re.search(r'<svg [^>]*aria-label="([^"]+)"', picture.drawing)
    assert label and label[1].replace("&#39;", "'") == f"{picture.title}. {picture.caption}"
    assert len(picture.caption) > 40
    assert picture.rows
    assert all(len(row) == len(picture.columns) for row in picture.rows)
    assert not re.search(r'style=|on\w+="|href', picture.drawing)


CAPTIONS = {
    "months-children": "furthest from what the configured growth expects is 2020-01: 1,900 found, 1,906 expected",
    "shares-children-parent_id-shares": "is that of parent_7: 12.92 % found, 12.02 % expected",
    "shares-vectors-kind-shares": "in 12 months; the largest difference between found and expected share is 9.4",
    "sizes": "The largest document has 127 KB (in children); devices store at most 500 KB",
    "devices": "2 types of devices; the largest is: A manager's device (990 docs, 684 KB)",
    "indexes": "4 indexes, 97.7 KB; 1 of them (10 % of the bytes) are unused: not in the plan of a named query",
    "references": "3 collections, 3 references; broken: children",
}


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions_contain_the_numbers(name: str) -> None:
    assert CAPTIONS[name] in drawn()[name].caption


def test_month_is_drawn_at_its_number() -> None:
    months = {"2020-01": [0, 50.0], "2020-02": [100, 50.0]}
    run = with_measured(months={"business.children.month-shares": {"collection": "children", "months": months}})
    points = re.search(r'points="([^"]+)" class="line found"', drawn(run)["months-children"].drawing)
    assert points
    (x1, low), (x2, high) = (map(float, point.split(",")) for point in points[1].split())
    assert low - high == 150  # the height of the plot, from nothing to the topmost tick
    assert x2 - x1 == pytest.approx((WIDTH - 44) / 2)


def test_months_of_a_rule_that_did_not_run_are_not_drawn() -> None:
    months = {"2020-01": [0, 50.0], "2020-02": [100, 50.0]}
    run = with_measured(months={"business.gone.month-shares": {"collection": "gone", "months": months}})
    assert all(name.startswith("shares-") for name in drawn(run))


def test_bars_of_distributions_are_proportional() -> None:
    run = replace(REPORT, results=[share("business.a.b-shares", {"": {"x": [300, 100.0], "y": [100, 300.0]}})])
    drawing = drawn(run)["shares-a-b-shares"].drawing
    lengths = [float(width) for width in re.findall(r'width="([\d.]+)" height="11"', drawing)]
    # y is expected to be larger and is therefore the first
    assert lengths[1] / lengths[0] == pytest.approx(3, abs=0.02)


@pytest.mark.parametrize(
    ("index", "use"),
    [
        ({"queries": ["q"], "reads": 1, "keeps_unique": True}, "in a named query's plan"),
        ({"queries": [], "reads": 1, "keeps_unique": True}, "read"),
        ({"queries": [], "reads": 0, "keeps_unique": True}, "keeps unique"),
        ({"queries": [], "reads": 0, "keeps_unique": False}, "not used"),
    ],
)
def test_index_is_shown_with_its_most_important_use(index: dict[str, Any], use: str) -> None:
    run = with_measured(indexes=[{"collection": "a", "name": "x_1", "bytes": 1, **index}])
    assert drawn(run)["indexes"].rows[0][3] == use


def test_devices_without_sizes_are_compared_by_documents() -> None:
    run = with_measured(devices=MEASURED["devices"])
    assert "A manager's device (990 docs)" in drawn(run)["devices"].caption
    widths = [float(each) for each in re.findall(r'width="([\d.]+)" height="12"', drawn(run)["devices"].drawing)]
    assert widths == pytest.approx([400 * 8 / 990, 400 * 500 / 990, 400], abs=0.06)


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        (["passed", "failed", "error"], "failed"),
        (["passed", "error", "warned"], "error"),
        (["passed", "warned", "skipped"], "warned"),
        (["passed", "skipped"], "passed"),
        (["skipped"], "skipped"),
        ([], None),
    ],
)
def test_collection_has_the_colour_of_its_worst_result(statuses: list[str], found: str | None) -> None:
    assert worst(result(f"counts.a.b{n}", status) for n, status in enumerate(statuses)) == found


def test_reference_has_the_colour_of_its_own_rules() -> None:
    rows = {(row[0], row[1]): row[3] for row in drawn()["references"].rows}
    assert rows == {
        ("children", "parent_id"): "failed",
        ("vectors", "child_id"): "not evaluated",
        ("vectors", "parent_id"): "not evaluated",
    }


def edges(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Return references from one collection to another, by a field named after the target."""
    return [{"collection": child, "field": f"{parent}_id", "target": parent} for child, parent in pairs]


GRAPHS = {
    "chain": edges(("b", "a"), ("c", "b"), ("d", "c"), ("d", "a"), ("c", "a")),
    "wide": edges(*[(name, "a") for name in "bcdefgh"]),
    "diamond": edges(("b", "a"), ("c", "a"), ("d", "b"), ("d", "c"), ("d", "a")),
    "twice": [
        {"collection": "b", "field": "from", "target": "a"},
        {"collection": "b", "field": "to", "target": "a"},
    ],
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_parents_are_above_and_boxes_and_lines_do_not_overlap(graph: list[dict[str, str]]) -> None:
    names = sorted({each[end] for each in graph for end in ("collection", "target")})
    found = layout(names, graph)
    for each in graph:
        assert found.boxes[each["target"]][1] < found.boxes[each["collection"]][1]
        path = found.paths[each["collection"], each["field"]]
        assert all(lower[1] > upper[1] for lower, upper in pairwise(path))
        for x, y in path[1:-1]:  # a line that crosses a row does not touch its boxes
            assert all(abs(x - left) > found.width / 2 for left, top in found.boxes.values() if top == y)
    rows: dict[float, list[float]] = {}
    for x, y in found.boxes.values():
        assert found.width / 2 <= x <= WIDTH - found.width / 2
        rows.setdefault(y, []).append(x)
    assert all(right - left >= found.width for row in rows.values() for left, right in pairwise(sorted(row)))


def test_avoidable_crossings_of_lines_are_avoided() -> None:
    found = layout(["a", "b", "c", "d"], edges(("c", "b"), ("d", "a")))
    assert found.boxes["a"][0] < found.boxes["b"][0]
    assert found.boxes["d"][0] < found.boxes["c"][0]


@pytest.mark.parametrize(
    ("highest", "marks"),
    [(4, [0, 1, 2, 3, 4]), (3081, [0, 1000, 2000, 3000, 4000]), (0.9, [0, 0.5, 1.0]), (0, [0]), (50, [0, 20, 40, 60])],
)
def test_ticks_are_round_and_cover_the_highest_value(highest: float, marks: list[float]) -> None:
    assert ticks(highest) == pytest.approx(marks)


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_names_from_the_data_are_escaped(hostile: str) -> None:
    shown = text(hostile, 0, 0, limit=20)
    assert re.fullmatch(r'<text x="0" y="0">(<title>[^<]*</title>)?[^<]*</text>', shown)
    assert not set(shown) & set("\u202e\x1b\x07\ud800\n")


def test_attributes_are_escaped_and_numbers_short() -> None:
    assert element("g", "<b>", aria_label='a"b', x=1.26, y=2.0, class_="c", z=None) == (
        '<g aria-label="a&#34;b" x="1.3" y="2" class="c">&lt;b&gt;</g>'
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (331, "331 B"), (999, "999 B"), (12_700, "12.4 KB"), (512_000, "500 KB"), (93_821_271, "89.5 MB")],
)
def test_bytes_are_formatted_with_units(number: int, words: str) -> None:
    assert bytes_in_words(number) == words


@pytest.mark.parametrize(("pair", "words"), [((99.99, 100), "+0.0 %"), ((90, 100), "-10.0 %"), ((1, 0), "")])
def test_deviation_is_formatted(pair: tuple[float, float], words: str) -> None:
    assert off(*pair) == words


def test_self_references_and_cycles_are_listed_but_not_drawn() -> None:
    graph = edges(("a", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"))
    drawn = without_circles(graph)
    assert [(edge["collection"], edge["target"]) for edge in drawn] == [("a", "b"), ("b", "c"), ("c", "d")]
    assert layout(["a", "b", "c", "d"], drawn).boxes.keys() == {"a", "b", "c", "d"}
