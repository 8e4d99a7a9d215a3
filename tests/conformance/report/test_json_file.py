"""validation.json: outputs match its schema, invalid content does not; the history is bounded."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conformance.errors import ConfigurationError
from conformance.report.json_file import KEPT, SCHEMA, load, render, write
from tests.conformance.report.report_example import REPORT, report, result

FORMAT = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
WRITTEN: dict[str, Any] = json.loads(render(REPORT))


def test_schema_is_a_valid_json_schema() -> None:
    Draft202012Validator.check_schema(FORMAT.schema)


@pytest.mark.parametrize("run", [REPORT, report(), report(result("counts.a.b"))], ids=["all", "none", "one"])
def test_outputs_match_the_schema(run: Any) -> None:
    content = json.loads(render(run))
    FORMAT.validate(content)
    assert content["summary"]["rules"] == len(content["rules"])


def test_content_equals_the_report() -> None:
    plain = {rule["id"]: rule for rule in WRITTEN["rules"]}
    assert WRITTEN["summary"] == REPORT.as_json()["summary"]
    assert plain["references.children.parent_id"] == {
        "id": "references.children.parent_id",
        "family": "references",
        "collection": "children",
        "subject": "parent_id",
        "severity": "error",
        "status": "failed",
        "examined": 200_000,
        "violations": 2,
        "samples": [
            {"_id": "c1", "why": 'parent "p9" does not exist'},
            {"_id": "5" * 24, "why": "parent is missing"},
        ],
        "title": "Every child's parent exists",
        "reason": None,
        "evidence": {},
        "duration_s": 0.25,
    }
    assert plain["uniqueness.children.email"]["evidence"]["statistic"] == "nan"
    assert plain["uniqueness.children.email"]["evidence"]["at"] == "6" * 24


def _rule(having: str, **change: Any) -> Callable[[dict[str, Any]], None]:
    def alter(content: dict[str, Any]) -> None:
        next(rule for rule in content["rules"] if rule["status"] == having).update(change)

    return alter


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another version": lambda content: content.update(schema_version=2),
    "an extra key": lambda content: content.update(extra=1),
    "no counts": lambda content: content.pop("counts"),
    "a negative count": lambda content: content["counts"].update(parents=-1),
    "a local time": lambda content: content["run"].update(started_at="2026-11-22 05:19"),
    "a score beyond 100": lambda content: content["summary"].update(quality_score=100.1),
    "an id of two parts": _rule("passed", id="counts.number"),
    "an unknown status": _rule("passed", status="green"),
    "passed though nothing was examined": _rule("passed", examined=0),
    "passed with violations": _rule("passed", violations=1),
    "failed as a warning": _rule("failed", severity="warning"),
    "failed without violations": _rule("failed", violations=0),
    "warned as an error": _rule("warned", severity="error"),
    "skipped without a reason": _rule("skipped", reason=None),
    "an error without a reason": _rule("error", reason=""),
    "a sample of nothing": _rule("failed", samples=[{"why": "it is"}]),
    "a sample of two things": _rule("failed", samples=[{"why": "it is", "_id": "a", "ref": "b"}]),
}


@pytest.mark.parametrize("alter", WRONG.values(), ids=WRONG.keys())
def test_invalid_content_is_rejected_by_schema_and_loader(alter: Callable[[Any], Any], tmp_path: Path) -> None:
    content = copy.deepcopy(WRITTEN)
    alter(content)
    assert not FORMAT.is_valid(content)
    path = tmp_path / "validation.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such file; validate first"),
        ("{", "not valid JSON"),
        ('{"a": 1, "a": 2}', "occurs twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[]", "found schema_version None; expected 1"),
        ('{"schema_version": 99}', "found schema_version 99"),
    ],
)
def test_unreadable_file_is_one_error(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "validation.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_written_file_is_loaded_and_added_to_the_history(tmp_path: Path) -> None:
    path = write(REPORT, tmp_path / "reports")
    assert path == tmp_path / "reports" / "validation.json"
    assert load(path) == WRITTEN
    (kept,) = (tmp_path / "reports" / "history").iterdir()
    assert kept.name[:17] == "20261122T051930Z-"
    assert len(kept.name) == len("20261122T051930Z-01234567.json")
    assert kept.read_bytes() == path.read_bytes()
    assert sorted(each.name for each in path.parent.iterdir()) == ["history", "validation.json"]


def test_history_keeps_the_newest_runs_and_foreign_files(tmp_path: Path) -> None:
    history = tmp_path / "history"
    history.mkdir()
    others = {"allure.jsonl", "notes.json", "20200101T000000Z-mine.json"}
    for name in others:
        (history / name).write_text("", encoding="utf-8")
    for number in range(KEPT + 3):
        (history / f"2020{number + 100}1T000000Z-0123abcd.json").write_text("", encoding="utf-8")
    write(REPORT, tmp_path)
    names = {path.name for path in history.iterdir()}
    assert others <= names
    runs = sorted(names - others)
    assert len(runs) == KEPT
    assert runs[0].startswith("20201041T")
    assert runs[-1].startswith("20261122T051930Z-")
