"""Every rule module is mutated, and the list of survivors matches the current modules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.subjects import Subject, subjects
from tests.mutants.survivors import Survivor, survivors
from tests.root import ROOT

LISTED = survivors()


@pytest.mark.parametrize("module", sorted({one.module for one in LISTED}))
def test_survivors_match_their_module(module: str) -> None:
    assert [problem for one in LISTED if one.module == module and (problem := one.problem()) is not None] == []


def test_survivors_are_of_mutated_modules_and_listed_once() -> None:
    assert {one.module for one in LISTED} <= {subject.path for subject in subjects()}
    assert len({one.change for one in LISTED}) == len(LISTED) > 50


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"module": "conformance/nosuch.py"}, "there is no such module"),
        ({"definition": "nosuch"}, "nosuch is not defined there"),
        ({"line": "x = 1  # nowhere"}, "the line is gone"),
        ({"mutant": LISTED[0].line}, "the mutant is the original"),
    ],
)
def test_outdated_entry_has_a_problem(changes: dict[str, str], problem: str) -> None:
    assert problem in str(replace(LISTED[0], **changes).problem())


@pytest.mark.parametrize(
    "text",
    [
        "- reason: equivalent\n  mutants:\n  - {module: m, definition: d, line: a, mutant: b}",
        f"- reason: {'x' * 30}\n  mutants:\n  - {{module: m, definition: d, line: a, other: b}}",
    ],
)
def test_file_in_another_form_is_rejected(tmp_path: Path, text: str) -> None:
    file = tmp_path / "survivors.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TypeError):
        survivors(file)


def test_survivor_of_another_module_does_not_explain_a_mutant() -> None:
    one = LISTED[0]
    other = Survivor("conformance/rules/other.py", one.definition, one.line, one.mutant, one.reason)
    assert one.change != other.change


@pytest.mark.parametrize("subject", subjects(), ids=lambda subject: subject.path)
def test_subject_and_its_tests_exist(subject: Subject) -> None:
    assert all((ROOT / name).exists() for name in (subject.path, *subject.tests))


def test_all_rule_modules_are_subjects() -> None:
    """These are the modules of rules, checks and columns; modules that only list or import are excluded."""
    known = {subject.path for subject in subjects()}
    packages = [ROOT / "conformance" / name for name in ("rules", "checks", "columns")]
    there = {str(path.relative_to(ROOT)) for package in packages for path in package.rglob("*.py")}
    unasked = {path for path in there - known if not path.endswith("/__init__.py")}
    texts = ("conformance/rules/ditto/sync/subscription_texts.py", "conformance/rules/ditto/sync/connector_texts.py")
    assert unasked == {"conformance/rules/families.py", *texts}
