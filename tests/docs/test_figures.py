"""The tables of measurements in docs/ are those of the saved runs in docs/figures/, and the prose agrees with them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from conformance.errors import ConfigurationError
from suites.benchmarks import conftest as benchmarks
from suites.benchmarks.tables import Tables
from tests.mutants.survivors import counts
from tests.root import ROOT
from zava.figures import pages, rendered, save, shown

DOCS: Final = ROOT / "docs"
SAVED: Final = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (DOCS / "figures").glob("*.json")}
#: The prose that repeats figures: the summary of a page, and the bold sentence about a target that is not met.
CLAIM: Final = re.compile(r"^In short, .+?\n\n|^\*\*Summary\.\*\*.+?\n\n|^- \*\*[^*]*\btargets? [^*]+\*\*", re.M | re.S)
NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?(?: (?:s|ms|MB|%|documents)\b)?")
RUN: Final = {
    "command": "make bench",
    "date": "2026-01-02",
    "cores": 4,
    "load": 0.1,
    "idle": True,
    "size": "2,000 orders",
}


def unsupported(page: str, cells: list[str]) -> list[str]:
    """Return the figures of a page's claims that are in no cell of its tables."""
    stated = {number for claim in CLAIM.findall(page) for number in NUMBER.findall(claim)}
    known = {number for cell in cells for number in NUMBER.findall(cell)}
    known |= {number.split()[0] for number in known if not number.endswith(("s", "B"))}
    return sorted(stated - known)


def cells(page: str) -> list[str]:
    """Return all cells and notes of the tables that a page shows."""
    rows = [row for file, title in shown(page) for row in SAVED[file][title]["rows"]]
    return [cell for row in rows for cell in (*row.values(), *row.get("notes", {}).values()) if isinstance(cell, str)]


def test_pages_show_the_saved_runs() -> None:
    found = pages(DOCS)
    assert {"PERFORMANCE.md", "COMPARISON.md", "TESTING.md"} == found.keys()
    assert [name for name, text in found.items() if (DOCS / name).read_text(encoding="utf-8") != text] == []


def test_every_saved_table_is_shown_once() -> None:
    marked = sorted(one for text in pages(DOCS).values() for one in shown(text))
    assert marked == sorted((file, title) for file, tables in SAVED.items() for title in tables)


@pytest.mark.parametrize("name", ["PERFORMANCE.md", "COMPARISON.md"])
def test_figures_in_the_prose_are_measured(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert CLAIM.search(page)
    assert unsupported(page, cells(page)) == []


def test_saved_tables_have_the_run_and_the_same_columns_in_each_row() -> None:
    for tables in SAVED.values():
        for table in tables.values():
            assert {"command", "date", "cores", "load", "idle"} <= table["run"].keys()
            assert len({tuple(column for column in row if column != "notes") for row in table["rows"]}) == 1


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("In short, it takes 7.8 s for 672,879 documents.\n\n", []),
        ("In short, it takes 8 s.\n\n", ["8 s"]),
        ("- **It is 16.1 times as fast; the target is 100.**", []),
        ("- **It is 16 times as fast; the target is 100.**", ["16"]),
        ("It took 9 s once.\n\n", []),
    ],
)
def test_figure_that_was_not_measured_is_found(prose: str, found: list[str]) -> None:
    assert unsupported(prose, ["load, 672,879 documents: 7.8 s", "16.1", ">= 100"]) == found


def test_counts_of_mutants_are_in_the_form_that_a_run_saves() -> None:
    (row,) = SAVED["mutants.json"]["Mutants"]["rows"]
    assert row == counts(*(int(row[name].replace(",", "")) for name in ("mutants", "killed", "not run yet")))


# Saving and rendering


def page(folder: Path, text: str) -> dict[str, str]:
    """Return the rendered pages of a folder with one page."""
    (folder / "PAGE.md").write_text(text, encoding="utf-8")
    return pages(folder)


def test_table_of_a_run_reaches_its_page(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    tables = Tables()
    tables.ratio("one: 3 s", "another: 2 s", 1.5, aim=1, guard=2)
    save(tmp_path / "figures" / "a.json", RUN, tables.saved())
    text = page(tmp_path, "Before.\n\n<!-- figures: a.json, Ratios -->\nold\n<!-- end of figures -->\n\nAfter.\n")[
        "PAGE.md"
    ]
    assert text == (
        "Before.\n\n<!-- figures: a.json, Ratios -->\n\n"
        "| what | against | measured | aim | met | guard |\n|---|---|---|---|---|---|\n"
        "| one: 3 s | another: 2 s | 1.50 | <= 1 | no | <= 2 |\n\n"
        "Run: make bench, 2026-01-02, 4 cores, 2,000 orders, load average 0.1 at the start (idle).\n\n"
        "<!-- end of figures -->\n\nAfter.\n"
    )
    assert page(tmp_path, text)["PAGE.md"] == text


def test_saving_keeps_the_tables_of_other_runs(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    save(file, RUN, {"One": [{"x": "1"}], "Two": [{"x": "2"}]})
    save(file, {**RUN, "cores": 8}, {"Two": [{"x": "3"}]})
    saved = json.loads(file.read_text(encoding="utf-8"))
    assert [(title, table["run"]["cores"], table["rows"]) for title, table in saved.items()] == [
        ("One", 4, [{"x": "1"}]),
        ("Two", 8, [{"x": "3"}]),
    ]


def test_notes_and_unrecorded_parts_of_a_run_are_told() -> None:
    run: dict[str, Any] = {**RUN, "date": None, "load": None, "idle": None, "notes": "A busy machine."}
    text = rendered({"run": run, "rows": [{"x": "1", "y": "2", "notes": {"y": "1 to 3"}}]})
    assert "| 1 | 2 (1 to 3) |" in text
    assert "Run: make bench, 4 cores, 2,000 orders. Not recorded: date, load. A busy machine." in text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- figures: a.json, One -->\n", "docs/PAGE.md: a table of figures has no end"),
        (
            "<!-- figures: b.json, One -->\n<!-- end of figures -->\n",
            "'One' of docs/figures/b.json, which is not there",
        ),
    ],
)
def test_wrong_marker_is_reported(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        page(tmp_path, text)


@pytest.mark.parametrize(
    ("command", "code", "skipped", "saved"),
    [("make bench", 0, 0, True), ("make bench", 1, 0, False), ("make bench", 0, 1, False), (None, 0, 0, False)],
    ids=["complete", "failed", "skipped", "not asked"],
)
def test_only_a_complete_run_is_saved(
    command: str | None, code: int, skipped: int, saved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks, "_FIGURES", tmp_path)
    config = SimpleNamespace(stash=pytest.Stash(), getoption=lambda *_: command)
    reporter = SimpleNamespace(stats={"skipped": [None] * skipped}, write_line=lambda _: None)
    benchmarks.pytest_configure(config)
    config.stash[benchmarks._TABLES]["comparison.json"].row("Sizes", ("table", "size"), "all", "1 MB")
    benchmarks.pytest_terminal_summary(reporter, code, config)
    assert (tmp_path / "comparison.json").exists() == saved
    if saved:
        table = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["Sizes"]
        assert (table["run"]["command"], table["rows"]) == ("make bench", [{"table": "all", "size": "1 MB"}])
