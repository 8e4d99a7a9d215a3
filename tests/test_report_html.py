"""The HTML report: self-contained, well-formed, accessible, complete, and deaf to what hostile data says."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from conformance.report.chart import WIDTH, bars
from conformance.report.counts import Count
from conformance.report.html import render, write
from conformance.report.visible import visible
from tests.report_example import HOSTILE, LONG, MEASURED, REPORT, RIGHT_TO_LEFT, report, result

VOID = {"meta", "br", "input", "link", "img", "hr"}
TEMPLATES = Path(__file__).parents[1] / "conformance" / "report" / "templates"
CSS = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("picture.css", "validation.css"))


class Page(HTMLParser):
    """The page's elements with their attributes, parents and own text; a tag that does not close is an error."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        assert len(dict(attrs)) == len(attrs), f"an attribute twice on {tag}"
        self.elements.append((tag, dict(attrs), tuple(self._open)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element, as SVG closes its own."""
        self.elements.append((tag, dict(attrs), tuple(self._open)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be this one."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.texts.append((tuple(self._open), data))

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of these names, in order."""
        return [attributes for tag, attributes, _ in self.elements if tag in tags]

    def text(self, tag: str) -> list[str]:
        """The text of each element of that name, its inner elements included."""
        return [data for path, data in self.texts if tag in path]


SOURCE = render(REPORT)
PAGE = Page(SOURCE)
BODY_TEXT = "".join(data for path, data in PAGE.texts if not {"style", "script", "head"} & set(path))


def test_nothing_is_loaded_from_anywhere() -> None:
    loaders = {"src", "href", "srcset", "action", "data", "poster", "formaction", "background"}
    linked = [value for _, attributes, _ in PAGE.elements for name, value in attributes.items() if name in loaders]
    assert linked
    assert all(value and value.startswith("#") for value in linked)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", CSS + "".join(PAGE.text("script")))
    assert not {"iframe", "object", "embed", "link", "base", "img"} & {tag for tag, _, _ in PAGE.elements}


def test_only_the_files_own_style_and_script_may_run() -> None:
    (policy,) = (meta["content"] for meta in PAGE.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none'; ")
    for element in ("style", "script"):
        (text,) = PAGE.text(element)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert not [name for _, attributes, _ in PAGE.elements for name in attributes if name.startswith("on")]
    assert not [attributes for _, attributes, _ in PAGE.elements if "style" in attributes]


def test_one_first_heading_names_the_verdict_and_no_level_is_left_out() -> None:
    headings = [
        (int(tag[1]), number) for number, (tag, _, _) in enumerate(PAGE.elements) if re.fullmatch("h[1-6]", tag)
    ]
    levels = [level for level, _ in headings]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert "".join(PAGE.text("h1")) == "shop: NOT CONFORMANT"


def test_sections_come_in_the_order_of_need() -> None:
    headings = ("Broken (3)", "Could not be run (1)", "Warnings (1)", "Not examined (3)")
    assert PAGE.text("h2") == ["What is broken", *headings, "Documents", "Quality score", "All rules"]
    assert Page(render(report(result("counts.a.b")))).text("h2") == ["Documents", "Quality score", "All rules"]
    drawn = Page(render(dataclasses.replace(REPORT, measured=MEASURED)))
    assert drawn.text("h2")[-4:] == ["Documents", "Pictures", "Quality score", "All rules"]


def test_tables_say_what_they_hold() -> None:
    assert all(attributes.get("scope") in ("col", "row") for attributes in PAGE.all("th"))
    tables = len(PAGE.all("table"))
    assert tables == len(PAGE.all("caption")) == len(PAGE.all("thead")) > 3
    assert all(caption.strip() for caption in PAGE.text("caption"))


def test_what_is_drawn_or_scrolled_or_typed_has_a_name() -> None:
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in PAGE.all("svg"))
    assert [svg["aria-label"] for svg in PAGE.all("svg")] == [
        "8 documents, expected 8",
        "990 documents, expected 1,000 to 2,000",
        "0 documents",
    ]
    assert all(pre["tabindex"] == "0" and pre["aria-label"] for pre in PAGE.all("pre"))
    assert all("label" in path for tag, _, path in PAGE.elements if tag == "input")
    details = [number for number, (tag, _, _) in enumerate(PAGE.elements) if tag == "details"]
    assert details
    assert all(PAGE.elements[number + 1][0] == "summary" for number in details)


def test_links_lead_somewhere() -> None:
    ids = [attributes["id"] for _, attributes, _ in PAGE.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {(link["href"] or "").removeprefix("#") for link in PAGE.all("a")} <= set(ids)


def test_it_is_for_phones_paper_and_every_language() -> None:
    assert PAGE.all("html") == [{"lang": "en"}]
    assert PAGE.all("meta")[0] == {"charset": "utf-8"}
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in PAGE.all("meta")
    assert "@media print" in CSS
    assert "prefers-color-scheme: dark" in CSS


def test_without_script_all_rules_are_there_and_the_filter_is_not() -> None:
    (form,) = PAGE.all("form")
    assert "hidden" in form
    rows = [row["data-status"] for row in PAGE.all("tr") if "data-status" in row]
    assert sorted(filter(None, rows)) == sorted(each.status for each in REPORT.results)
    codes = PAGE.text("code")
    assert all(each.id in codes for each in REPORT.results)


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if text != LONG], ids=ascii)
def test_hostile_text_is_shown_as_text(hostile: str) -> None:
    assert visible(hostile) in BODY_TEXT
    assert SOURCE.count("<script>") == SOURCE.count("</script>") == SOURCE.count("</style>") == 1
    assert not set(SOURCE) & set("\u202e\x1b\x07\ud800")


def test_hostile_text_is_held_in_its_own_direction() -> None:
    assert any(path[-1:] == ("bdi",) and RIGHT_TO_LEFT in data for path, data in PAGE.texts)


@pytest.mark.parametrize("field", ["title", "reason", "why", "mend"])
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_hostile_fields_add_no_element(field: str, hostile: str) -> None:
    def elements(text: str) -> list[str]:
        broken = result("counts.a.b", "failed", violations=1, evidence={"x": text}, **{field: text})
        return [tag for tag, _, _ in Page(render(report(broken))).elements]

    assert elements(hostile or "x") == elements("harmless")


def test_long_values_are_shortened_but_not_in_the_query() -> None:
    queries = [text for text in PAGE.text("pre") if text.startswith("db.")]
    assert [LONG in query for query in queries] == [False, True, False]
    assert BODY_TEXT.count(LONG) == 1
    assert "characters left out" in BODY_TEXT


def test_a_finding_tells_a_reviewer_what_to_do() -> None:
    source = render(report(REPORT.results[2]))
    text = "".join(data for path, data in Page(source).texts if "article" in path)
    parts = (
        "Every child's parent exists",
        "Failed",
        "references.children.parent_id",
        "2 of 200,000 (0.001 %) broken",
        "A device would show a child without its parent.",
        "Restore the parent",
        "all 2",
        'parent "p9" does not',
        f'db.getCollection("children").find({{_id: {{$in: ["c1", ObjectId("{"5" * 24}")]}}}})',
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_what_is_no_document_gets_no_query() -> None:
    assert "getCollection" not in render(report(REPORT.results[1]))


def test_the_score_is_explained() -> None:
    assert "87.7 = 100 x (3 x 31 + 1 x 0) / (3 x 35 + 1 x 1)" in BODY_TEXT


@pytest.mark.parametrize(
    ("status", "shown"), [("failed", True), ("error", True), ("warned", True), ("skipped", False), ("passed", False)]
)
def test_a_family_is_open_when_it_needs_attention(status: str, shown: bool) -> None:
    run = report(result("counts.a.b", status, violations=int(status in ("failed", "warned"))))
    (family,) = (each for each in Page(render(run)).all("details") if each.get("class") == "family")
    assert ("open" in family) is shown


def _colours(scheme: str) -> dict[str, str]:
    start = CSS.index(":root", CSS.index(scheme))
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", CSS[start : CSS.index("}", start)]))


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    "scheme", [":root", "prefers-color-scheme: dark", "@media print"], ids=["light", "dark", "print"]
)
@pytest.mark.parametrize("ink", ["ink", "quiet", "link", "passed", "failed", "warned", "skipped", "error"])
@pytest.mark.parametrize("paper", ["paper", "panel"])
def test_text_has_the_contrast_of_wcag_aa(scheme: str, ink: str, paper: str) -> None:
    colours = _colours(scheme)
    bright, dark = sorted((_luminance(colours[ink]), _luminance(colours[paper])), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_bars_share_one_scale_and_none_vanishes() -> None:
    counts = [Count("a", 500_000, (400_000, 1_000_000)), Count("b", 8, (8, 8)), Count("c", 0)]
    drawn = bars(counts)
    assert [bar.length for bar in drawn] == [WIDTH / 2, 2.0, 0.0]
    assert [bar.expected for bar in drawn] == [(400.0, 1000.0), (2.0, 2.0), None]
    assert [bar.length for bar in bars([Count("c", 0)])] == [0.0]


def test_it_is_written_to_the_folder(tmp_path: Path) -> None:
    path = write(REPORT, tmp_path / "reports", strict=True)
    assert path == tmp_path / "reports" / "validation.html"
    assert path.read_text(encoding="utf-8") == render(REPORT, strict=True)
