"""The terminal summary: target first, paths last, no control characters, no line too wide."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from conformance.report import json_file
from conformance.report.text import WHOLE_LINES, finding, render, show
from conformance.results import Outcome, Report, Sample
from conformance.run.runner import to_result
from conformance.run.session import load_project
from tests.conformance.report.report_example import HOSTILE, REPORT, report, result
from tests.validation import ROOT
from zava.verdict.conform import _conclude

PATHS = {"JSON": Path("/a/long/path") / ("x" * 150) / "validation.json", "HTML": Path("reports/validation.html")}


def test_target_and_verdict_come_first_and_paths_last() -> None:
    lines = render(REPORT, paths=PATHS, width=120).splitlines()
    assert lines[0] == REPORT.target.describe()
    assert lines[1].startswith("NOT CONFORMANT: 3 rules are broken, 1 rule could not be run, 1 warning, ")
    assert lines[-2:] == [f"JSON: {PATHS['JSON']}", f"HTML: {PATHS['HTML']}"]


@pytest.mark.parametrize("embedded", [True, False])
def test_first_line_states_whether_the_target_is_embedded(embedded: bool) -> None:
    run = report(result("counts.a.b"), target=dataclasses.replace(REPORT.target, embedded=embedded))
    assert ("embedded, generated data" in render(run, width=200).splitlines()[0]) is embedded


def test_finding_states_violation_consequence_and_fix() -> None:
    assert finding(REPORT.results[2]).splitlines() == [
        '2 of 200,000 documents in children, for example: parent "p9" does not exist',
        "  Rule: references.children.parent_id: Every child's parent exists",
        "  Found: 2 of 200,000 (0.001 %):",
        '    c1: parent "p9" does not exist',
        "    555555555555555555555555: parent is missing",
        "  Means: A device would show a child without its parent.",
        "  Fix: Restore the parent, or remove the child.",
    ]
    assert finding(REPORT.results[1]).splitlines()[2] == "  Found: 990 found, 1,000 to 2,000 expected: 10 missing:"


def test_summary_has_all_sections() -> None:
    text = render(REPORT, width=150)
    for line in (
        "children   990  1,000 to 2,000",
        "Documents               30       0       0        0       0",
        "the collection is empty (2)",
        "    embeddings.vectors.finite, embeddings.vectors.zero",
        "indexes.children.vector could not be run: OperationFailure: $listSearchIndexes is not known",
        "Quality score 87.7 = 100 x (3 x 31 + 1 x 0) / (3 x 35 + 1 x 1)",
    ):
        assert f"\n{line}" in text or f"\n  {line}" in text, line
    headings = [text.index(f"\n{word}\n") for word in ("Broken", "Could not be run", "Warnings", "Not examined")]
    assert headings == sorted(headings)


def test_conformant_run_lists_no_findings() -> None:
    text = render(report(result("counts.parents.number")))
    assert "CONFORMANT: 1 rule holds" in text
    assert not any(word in text for word in ("Broken", "Warnings", "Not examined", "Could not"))


def test_rules_skipped_for_one_reason_are_truncated() -> None:
    text = render(report(*(result(f"streams.c.s{n:02}", "skipped", reason="no streams") for n in range(13))))
    assert "no streams (13)" in text
    assert "streams.c.s09 and 3 more" in text
    assert "streams.c.s10" not in text


@pytest.mark.parametrize("width", [40, 80, 100])
def test_lines_except_paths_fit_the_width(width: int) -> None:
    lines = render(REPORT, paths=PATHS, width=width).splitlines()
    assert max(cell_len(line) for line in lines[:-2]) <= width
    assert lines[-2].endswith("validation.json")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_control_characters_in_data_are_escaped(hostile: str) -> None:
    text = render(report(result("counts.a.b", "failed", violations=1, title=hostile, reason=hostile)), width=80)
    assert not {character for character in text if ord(character) < 32} - {"\n"}
    assert not set(text) & set("\u202e\ud800\u2028")
    assert "[bold]no markup[/bold] :smile:" in text or "[bold]" not in hostile
    text.encode("utf-8")


@pytest.mark.parametrize(("terminal", "coloured"), [(True, True), (False, False)])
def test_colour_is_used_only_on_a_terminal(terminal: bool, coloured: bool) -> None:
    buffer = io.StringIO()
    show(REPORT, Console(file=buffer, force_terminal=terminal, color_system="standard" if terminal else None, width=80))
    assert ("\x1b[" in buffer.getvalue()) is coloured


def shown(run: Report) -> str:
    """Return the output as written to a pipe."""
    buffer = io.StringIO()
    show(run, Console(file=buffer, width=80, highlight=False))
    return buffer.getvalue()


def test_piped_lines_have_no_trailing_spaces() -> None:
    lines = shown(REPORT).splitlines()
    assert len(lines) > 50
    assert [line for line in lines if line != line.rstrip()] == []


def test_run_and_command_are_below_the_verdict() -> None:
    line = render(REPORT, width=200).splitlines()[2]
    assert line == "2026-11-22 05:19:30 UTC, 4.2 s: validate --uri mongodb://user:***@db.example"


def test_one_cause_is_printed_once_with_places_and_indented_consequences() -> None:
    why = "the collection has no validator"
    absent = [
        result(f"validators.{name}.present", "failed", violations=1, examined=1, title=f"{name}: it validates",
               samples=(Sample(why, ref=name),), fix="Run `zava provision`.")
        for name in ("a", "b", "c")
    ]  # fmt: skip
    first, second = (
        result(f"{family}.a.stock", "failed", violations=1, samples=(Sample(why, id="x"),))
        for family, why in (("documents", "stock -3 is below 0"), ("business", "stock is -3, expected at least 0"))
    )
    lines = render(report(*absent, second, first)).splitlines()
    start = lines.index("Broken") + 1
    assert lines[start : start + 5] == [
        "  3 collections: the collection has no validator",
        "    Rule: validators.*.present: It validates",
        "    In: a, b, c",
        "    Means: People would be misled.",
        "    Fix: Run zava provision.",
    ]
    assert lines[start + 5] == "  1 of 1,000 documents in a: stock -3 is below 0"
    follows = lines.index("    1 of 1,000 documents in a: stock is -3, expected at least 0")
    assert lines[follows + 1] == "      Follows: the same documents break this rule, too"


def test_document_count_difference_is_printed() -> None:
    assert "children   990  1,000 to 2,000: 10 missing\n" in render(REPORT)


def test_conform_prints_consequences_and_fixes_as_validate_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "model"
    root.mkdir()
    for name in ("schemas", "config"):
        (root / name).symlink_to(ROOT / name)
    project = load_project(root)
    rule = next(rule for rule in project.rules if rule.id == "indexes.orders.deleted")
    found = Outcome(1, 1, (Sample("there is no index on deleted", ref="orders.deleted_1"),))
    run = report(to_result(rule, found, 0.0))
    json_file.write(run, project.reports)
    assert _conclude(project, 1, strict=False, rendered=None, as_json=False) == 1
    printed = capsys.readouterr().out
    assert printed.startswith(render(run, width=WHOLE_LINES))
    assert f"Means: {rule.why}" in printed
    assert "Fix: Run zava provision to create the index." in printed


def test_lines_outside_a_terminal_are_not_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    why = "because " * 30
    run = dataclasses.replace(
        report(result("counts.a.b", "failed", violations=1, title="The title", reason=why)), command=why
    )
    piped = io.StringIO()
    show(run, Console(file=piped))
    assert sum(why.strip() in line for line in piped.getvalue().splitlines()) == 2
    terminal = io.StringIO()
    show(run, Console(file=terminal, force_terminal=True, width=40))
    assert why.strip() not in terminal.getvalue()
