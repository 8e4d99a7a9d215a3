"""The HTML report: accessible, self-contained, and the same facts as the other reports."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from itertools import pairwise
from pathlib import Path

import pytest

from conformance.files.packaged import packaged
from conformance.report.counts import Count
from conformance.report.html import render, write
from conformance.report.pictures.documents import WIDTH, bars
from conformance.results import Sample
from conformance.text.visible import visible
from tests.conformance.report.page import Page
from tests.conformance.report.report_example import HOSTILE, LONG, MEASURED, REPORT, RIGHT_TO_LEFT, report, result

TEMPLATES = packaged("conformance.report", "templates")
CSS = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("picture.css", "validation.css"))


SOURCE = render(REPORT)
PAGE = Page(SOURCE)
BODY_TEXT = "".join(data for path, data in PAGE.texts if not {"style", "script", "head"} & set(path))


def test_page_loads_nothing_external() -> None:
    loaders = {"src", "href", "srcset", "action", "data", "poster", "formaction", "background"}
    linked = [value for _, attributes, _ in PAGE.elements for name, value in attributes.items() if name in loaders]
    assert linked
    assert all(value and value.startswith("#") for value in linked)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", CSS + "".join(PAGE.text("script")))
    assert not {"iframe", "object", "embed", "link", "base", "img"} & {tag for tag, _, _ in PAGE.elements}


def test_content_policy_allows_only_the_inline_style_and_script() -> None:
    (policy,) = (meta["content"] for meta in PAGE.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none'; ")
    for element in ("style", "script"):
        (text,) = PAGE.text(element)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert not [name for _, attributes, _ in PAGE.elements for name in attributes if name.startswith("on")]
    assert not [attributes for _, attributes, _ in PAGE.elements if "style" in attributes]


def test_first_heading_is_the_verdict_and_no_level_is_skipped() -> None:
    headings = [
        (int(tag[1]), number) for number, (tag, _, _) in enumerate(PAGE.elements) if re.fullmatch("h[1-6]", tag)
    ]
    levels = [level for level, _ in headings]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert "".join(PAGE.text("h1")) == "shop: NOT CONFORMANT"


def test_sections_are_ordered_by_severity() -> None:
    headings = ("Broken: 3 findings", "Could not be run: 1 finding", "Warnings: 1 finding", "Not examined (3)")
    assert PAGE.text("h2") == ["Findings", *headings, "Documents", "Quality score", "All rules"]
    assert Page(render(report(result("counts.a.b")))).text("h2") == ["Documents", "Quality score", "All rules"]
    drawn = Page(render(dataclasses.replace(REPORT, measured=MEASURED)))
    assert drawn.text("h2")[-4:] == ["Documents", "Pictures", "Quality score", "All rules"]


def test_heading_counts_consequences_apart() -> None:
    cause, consequence, other = (
        result(id, "failed", violations=1, samples=(Sample("stock is -3", id=key),))
        for id, key in (("documents.a.stock", "x"), ("business.a.stock", "x"), ("documents.b.name", "y"))
    )
    assert "Broken: 2 findings and 1 that follows" in Page(render(report(cause, consequence, other))).text("h2")


def test_tables_have_captions_and_header_scopes() -> None:
    assert all(attributes.get("scope") in ("col", "row") for attributes in PAGE.all("th"))
    tables = len(PAGE.all("table"))
    assert tables == len(PAGE.all("caption")) == len(PAGE.all("thead")) > 3
    assert all(caption.strip() for caption in PAGE.text("caption"))


def test_pictures_scroll_areas_and_inputs_have_accessible_names() -> None:
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


def test_internal_links_have_targets() -> None:
    ids = [attributes["id"] for _, attributes, _ in PAGE.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {(link["href"] or "").removeprefix("#") for link in PAGE.all("a")} <= set(ids)


def test_page_declares_language_charset_viewport_and_print_style() -> None:
    assert PAGE.all("html") == [{"lang": "en"}]
    assert PAGE.all("meta")[0] == {"charset": "utf-8"}
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in PAGE.all("meta")
    assert "@media print" in CSS
    assert "prefers-color-scheme: dark" in CSS


def test_page_without_script_lists_all_rules_and_hides_the_filter() -> None:
    (form,) = PAGE.all("form")
    assert "hidden" in form
    rows = [row["data-status"] for row in PAGE.all("tr") if "data-status" in row]
    assert sorted(filter(None, rows)) == sorted(each.status for each in REPORT.results)
    codes = PAGE.text("code")
    assert all(each.id in codes for each in REPORT.results)


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if text != LONG], ids=ascii)
def test_hostile_text_is_escaped(hostile: str) -> None:
    assert visible(hostile) in BODY_TEXT
    assert SOURCE.count("<script>") == SOURCE.count("</script>") == SOURCE.count("</style>") == 1
    assert not set(SOURCE) & set("\u202e\x1b\x07\ud800")


def test_right_to_left_text_is_isolated() -> None:
    assert any(path[-1:] == ("bdi",) and RIGHT_TO_LEFT in data for path, data in PAGE.texts)


@pytest.mark.parametrize("field", ["title", "reason", "why", "fix"])
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_hostile_fields_add_no_element(field: str, hostile: str) -> None:
    def elements(text: str) -> list[str]:
        broken = result("counts.a.b", "failed", violations=1, evidence={"x": text}, **{field: text})
        return [tag for tag, _, _ in Page(render(report(broken))).elements if tag != "code"]  # `back` is code

    assert elements(hostile or "x") == elements("harmless")


def test_long_values_are_shortened_except_in_the_query() -> None:
    queries = [text for text in PAGE.text("pre") if text.startswith("db.")]
    assert sorted(LONG in query for query in queries) == [False, False, True]
    assert BODY_TEXT.count(LONG) == 1
    assert "characters left out" in BODY_TEXT


def test_finding_states_cause_samples_query_and_fix() -> None:
    source = render(report(REPORT.results[2]))
    text = "".join(data for path, data in Page(source).texts if "details" in path)
    parts = (
        '2 of 200,000 documents in children, for example: parent "p9" does not exist',
        "Failed",
        "references.children.parent_id",
        "Every child's parent exists",
        "2 of 200,000 (0.001 %)",
        "A device would show a child without its parent.",
        "Restore the parent",
        "all 2",
        "parent is missing",
        f'db.getCollection("children").find({{_id: {{$in: ["c1", ObjectId("{"5" * 24}")]}}}})',
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_finding_without_documents_has_no_query() -> None:
    assert "getCollection" not in render(report(REPORT.results[1]))


def test_score_formula_is_shown() -> None:
    assert "87.7 = 100 x (3 x 31 + 1 x 0) / (3 x 35 + 1 x 1)" in BODY_TEXT


def test_only_the_first_finding_is_open() -> None:
    opened = [each.get("class") for each in PAGE.all("details") if "open" in each]
    assert opened == ["finding failed"]


def test_first_screen_has_verdict_target_date_command_and_findings() -> None:
    top = SOURCE[SOURCE.index("<header") : SOURCE.index("<main>")]
    text = "".join(data for _, data in Page(f"<body>{top}</body>").texts)
    parts = (
        "shop: NOT CONFORMANT",
        "3 rules are broken",
        "mongodb://user:***@db.example",
        "2026-11-22 05:19:30 UTC, 4.2 s",
        "validate --uri mongodb://user:***@db.example",
        "10 of at least 1,000 documents are missing in children",
        "2 of 200,000 documents in children",
        "indexes.children.vector could not be run",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "children is as it must be" not in text


def test_summary_names_the_worst_findings_and_counts_the_rest() -> None:
    run = report(*(result(f"totals.a.b{n}", "failed", violations=n + 1) for n in range(40)))
    page = Page(render(run))
    links = [link["href"] for link in page.all("a")]
    assert links[1:7] == [*(f"#totals.a.b{n}" for n in (39, 38, 37, 36, 35)), "#broken"]
    text = "".join(data for _, data in page.texts)
    assert "and 35 more findings" in text
    assert "15 more findings" in text  # 25 are listed; the others are collapsed


def test_headline_of_a_run_on_generated_data_states_it() -> None:
    run = report(result("counts.a.b"), target=dataclasses.replace(REPORT.target, embedded=True))
    assert "".join(Page(render(run)).text("h1")) == "shop: CONFORMANT (generated data)"


def test_warnings_are_not_counted_as_violations() -> None:
    run = report(result("counts.a.b"), result("crdt.a.b", "warned", violations=7))
    source = render(run)
    tiles = re.findall(r"<div><dt>([^<]+)</dt><dd[^>]*>([^<]+)</dd></div>", source)
    assert dict(tiles)["Violations"] == "0"
    assert dict(tiles)["Warnings"] == "1"
    assert len(tiles) == 8  # rows of eight, four or two: none has one alone
    assert "repeat(8, 1fr)" in CSS
    assert "repeat(4, 1fr)" in CSS
    assert "repeat(2, 1fr)" in CSS


def test_known_violations_have_their_own_section() -> None:
    known = result("totals.a.b", "warned", severity="error", violations=7, known=7)
    page = Page(render(report(result("counts.a.b"), known, baseline="known.json")))
    assert "".join(page.text("h1")) == "shop: CONFORMANT (7 known violations)"
    assert page.text("h2")[0] == "Known: accepted: 1 finding"


def test_backticks_in_the_text_of_a_rule_become_code() -> None:
    page = Page(render(report(result("counts.a.b", "failed", violations=1, fix="Run `zava provision`."))))
    assert "zava provision" in page.text("code")
    assert "`" not in "".join(data for path, data in page.texts if "script" not in path)


def test_every_place_of_a_finding_is_listed_and_linked() -> None:
    why = "the collection has no validator"
    broken = [
        result(f"validators.{name}.present", "failed", violations=1, examined=1, samples=(Sample(why, ref=name),))
        for name in ("a", "b", "c")
    ]
    page = Page(render(report(*broken)))
    assert "3 collections: the collection has no validator" in page.text("h3")
    assert {each["id"] for each in page.all("div", "li") if "id" in each} == {each.id for each in broken}


def test_document_count_difference_is_shown() -> None:
    assert "10 missing" in BODY_TEXT
    assert [(each.difference) for each in (Count("a", 5, (7, 9)), Count("a", 12, (7, 9)), Count("a", 7, (7, 7)))] == [
        "2 missing", "3 too many", "",
    ]  # fmt: skip
    assert Count("a", 5).difference == ""


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


def test_bars_share_one_scale_and_have_a_minimum_length() -> None:
    counts = [Count("a", 500_000, (400_000, 1_000_000)), Count("b", 8, (8, 8)), Count("c", 0)]
    drawn = bars(counts)
    assert [bar.length for bar in drawn] == [WIDTH / 2, 2.0, 0.0]
    assert [bar.expected for bar in drawn] == [(400.0, 1000.0), (2.0, 2.0), None]
    assert [bar.length for bar in bars([Count("c", 0)])] == [0.0]


def test_report_is_written_to_the_folder(tmp_path: Path) -> None:
    path = write(REPORT, tmp_path / "reports", strict=True)
    assert path == tmp_path / "reports" / "validation.html"
    assert path.read_text(encoding="utf-8") == render(REPORT, strict=True)
