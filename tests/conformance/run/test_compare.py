"""Comparing runs: each rule is in one list, the exit code reports newly broken rules, trends have one target."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.report import json_file
from conformance.report.history import saved_runs, sparkline, trend
from conformance.results import Report, Result, Sample
from conformance.run.compare import difference
from tests.commands import Workplace
from tests.conformance.report.report_example import REPORT, TARGET, report, result

pytest_plugins = ["tests.commands"]

PASSED = result("counts.a.b")
SKIPPED = result("counts.a.b", "skipped", reason="empty")
ERROR = result("counts.a.b", "error", reason="no answer")


def broken(number: int, status: str = "failed") -> Result:
    """Return the same rule with this number of violations."""
    return result("counts.a.b", status, violations=number, samples=(Sample("off", id="x"),))


@pytest.mark.parametrize(
    ("before", "after", "name", "code"),
    [
        (PASSED, broken(1), "new", 1),
        (None, broken(1), "new", 1),
        (SKIPPED, broken(1), "new", 1),
        (PASSED, ERROR, "new", 1),
        (broken(1, "warned"), broken(1), "new", 1),
        (broken(1), broken(2), "worse", 1),
        (broken(2), broken(2), "still", 0),
        (broken(2), broken(1), "still", 0),
        (ERROR, ERROR, "still", 0),
        (broken(2), PASSED, "fixed", 0),
        (broken(2), broken(2, "warned"), "fixed", 0),
        (broken(1, "warned"), PASSED, "fixed", 0),
        (broken(1), SKIPPED, "lost", 0),
        (broken(1), None, "lost", 0),
        (PASSED, SKIPPED, "lost", 0),
        (PASSED, None, "lost", 0),
        (PASSED, PASSED, None, 0),
        (SKIPPED, SKIPPED, None, 0),
        (SKIPPED, PASSED, None, 0),
        (None, PASSED, None, 0),
        (SKIPPED, None, None, 0),
    ],
)
def test_rule_is_listed_by_its_change(before: Result | None, after: Result | None, name: str | None, code: int) -> None:
    found = difference(report(*filter(None, [before])), report(*filter(None, [after])))
    assert [list_name for list_name, changes in found.lists() if changes] == ([name] if name else [])
    assert found.exit_code() == code


@pytest.mark.parametrize(("before", "name"), [(PASSED, "new"), (broken(1, "warned"), "worse")])
def test_new_warning_fails_only_with_strict(before: Result, name: str) -> None:
    found = difference(report(before), report(broken(2, "warned")))
    assert [len(changes) for list_name, changes in found.lists() if list_name == name] == [1]
    assert (found.exit_code(), found.exit_code(strict=True)) == (0, 1)


def test_only_changed_counts_are_listed() -> None:
    before, after = {"a": 1, "b": 2, "gone": 3}, {"a": 1, "b": 5, "new": 4}
    found = difference(replace(REPORT, counts=before), replace(REPORT, counts=after))
    assert found.counts == {"b": (2, 5), "new": (None, 4), "gone": (3, None)}


@pytest.mark.parametrize(
    ("numbers", "drawn"),
    [([0, 0], "▁▁"), ([0, 1, 1000], "▁▂█"), ([None, 4, 8, 0], "·▅█▁"), ([], ""), ([None], "·")],
)
def test_sparkline_shows_one_higher_than_zero(numbers: list[float | None], drawn: str) -> None:
    assert sparkline(numbers) == drawn


def run(number: int, violations: int | None, **target: Any) -> Report:
    """Return the run with this number in a series."""
    results = {None: [SKIPPED], 0: [PASSED]}.get(violations, [broken(violations or 0)])
    at = f"2026-11-{number:02d}T05:00:00Z"
    return report(*results, result("counts.a.c"), started_at=at, target=replace(TARGET, **target))


def saved(folder: Path, *runs: Report) -> Path:
    """Write the runs one after the other, as `zava validate --reports` does."""
    for each in runs:
        json_file.write(each, folder)
    return folder


def test_trend_has_one_target_and_broken_rules_only(tmp_path: Path) -> None:
    other = run(2, 99, database="other")
    folder = saved(tmp_path, run(1, 0), other, run(3, 5), run(4, None), run(5, 2))
    (folder / "history" / "20261109T050000Z-00000000.json").write_text("{half a fi", encoding="utf-8")
    (folder / "history" / "notes.json").write_text("{}", encoding="utf-8")
    found = trend(saved_runs(folder), 20)
    assert [each.started_at[8:10] for each in found.runs] == ["01", "03", "04", "05"]
    assert found.broken == {"counts.a.b": [0, 5, None, 2]}
    assert found.elsewhere == 1
    assert [each.started_at[8:10] for each in trend(saved_runs(folder), 2).runs] == ["04", "05"]


def test_embedded_server_is_one_target_on_any_port(tmp_path: Path) -> None:
    runs = [run(n, n, uri=f"mongodb://127.0.0.1:{n}/", embedded=True) for n in (1, 2)]
    assert trend(saved_runs(saved(tmp_path, *runs)), 20).broken == {"counts.a.b": [1, 2]}


# The commands


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two reports, the second with a new finding."""
    names = []
    for name, each in (("a.json", run(1, 0)), ("b.json", replace(run(2, 7), counts={"parents": 8, "children": 991}))):
        (tmp_path / name).write_text(json_file.render(each), encoding="utf-8")
        names.append(str(tmp_path / name))
    return names[0], names[1]


def test_diff_prints_changes(workplace: Workplace, files: tuple[str, str]) -> None:
    done = workplace.zava("diff", *files)
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("before  2026-11-01T05:00:00Z  shop on mongodb://user:***@db.example")
    start = lines.index("Newly broken (1)")
    assert lines[start + 1] == "  counts.a.b: 0 -> 7  b is as it must be"
    assert "  children: 990 -> 991 (+1)" in lines
    assert lines[-1] == "Quality score 100.0 -> 50.0"
    back = workplace.zava("diff", *reversed(files))
    assert back.code == 0
    assert "Fixed (1)" in back.out
    same = workplace.zava("diff", files[0], files[0])
    assert (same.code, "Nothing changed" in same.out) == (0, True)


def test_diff_prints_json(workplace: Workplace, files: tuple[str, str]) -> None:
    done = workplace.zava("diff", "--json", *files)
    content = json.loads(done.out)
    assert done.code == 1
    assert content["new"] == [
        {
            "id": "counts.a.b",
            "title": "b is as it must be",
            "status": ["passed", "failed"],
            "violations": [0, 7],
            "known": [0, 0],
        }
    ]
    assert (content["fixed"], content["quality_score"]) == ([], [100.0, 50.0])
    assert content["counts"] == {"children": [990, 991], "vectors": [0, None]}


def test_diff_without_files_compares_the_last_two_runs(workplace: Workplace, tmp_path: Path) -> None:
    root = tmp_path / "model"
    root.mkdir()
    for name in ("schemas", "config"):
        (root / name).symlink_to(workplace.root / name)
    place = Workplace(root, workplace.cache)
    alone = place.zava("diff")
    assert (alone.code, "fewer than two saved runs" in alone.line) == (2, True)
    assert "no saved run; validate with --reports" in place.zava("trend").line
    saved(root / "reports", run(1, 1), run(2, 0), run(3, 4))
    assert "counts.a.b: 0 -> 4" in place.zava("diff").out
    shown = place.zava("trend")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[-1] == "▃▁█        4 counts.a.b"
    assert [each["exit_code"] for each in json.loads(place.zava("trend", "--json").out)["runs"]] == [1, 0, 1]
    first = json_file.render(run(1, 9))
    (tmp_path / "first.json").write_text(first, encoding="utf-8")
    assert "counts.a.b: 9 -> 4" in place.zava("diff", str(tmp_path / "first.json")).out


def test_run_with_a_baseline_is_marked_in_trend_and_diff(workplace: Workplace, tmp_path: Path) -> None:
    root = tmp_path / "model"
    root.mkdir()
    for name in ("schemas", "config"):
        (root / name).symlink_to(workplace.root / name)
    place = Workplace(root, workplace.cache)
    accepted = replace(broken(3), status="warned", known=3)
    saved(
        root / "reports", run(1, 3), replace(run(2, 0), results=[accepted, result("counts.a.c")], baseline="known.json")
    )
    rows = [line.split(maxsplit=1)[1] for line in place.zava("trend").out.splitlines()[1:3]]
    assert [row.startswith(word) for row, word in zip(rows, ("NOT CONFORMANT  ", "CONFORMANT (3 known"), strict=True)]
    narrow = place.zava("trend", env={"COLUMNS": "60"}).out
    assert "…" not in narrow
    assert [line for line in narrow.splitlines() if line != line.rstrip()] == []
    runs = json.loads(place.zava("trend", "--json").out)["runs"]
    assert [(each["baseline"], each["known"]) for each in runs] == [(None, 0), ("known.json", 3)]
    done = place.zava("diff")
    assert (done.code, "Fixed" in done.out) == (0, False)
    assert done.out.splitlines()[1].endswith(", baseline known.json")
    assert "Still broken (1)\n  counts.a.b: 3 -> 3 (3 known)" in done.out


@pytest.mark.parametrize(
    ("content", "message"), [(None, "there is no such file"), ("{}", "schema_version"), ("[", "not valid JSON")]
)
def test_invalid_report_is_one_error(
    workplace: Workplace, files: tuple[str, str], tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "wrong.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    done = workplace.zava("diff", files[0], str(path))
    assert done.code == 2
    assert "wrong.json" in done.line
    assert message in done.line
