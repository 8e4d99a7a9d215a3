"""The fault catalogue: each fault makes exactly the rules fail that it names, and no rule is without a fault."""

from __future__ import annotations

import json
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

from conformance.model import load_model
from conformance.rules import security
from conformance.runner import Run
from tests.faults.catalogue import Fault, load_catalogue
from tests.faults.judgement import Judge
from tests.faults.tally import count
from tests.judging import ROOT

#: Which faults make which rule fail; REWRITE_KILL_MATRIX=1 writes it anew.
MATRIX: Final = Path(__file__).parent / "faults" / "kill_matrix.json"
CATALOGUE: Final = load_catalogue(load_model(ROOT))
#: Of these faults all rules are run, not only those that the edit can touch: every twentieth, whatever it is.
SWEPT: Final = CATALOGUE.faults[::20]


def by_id(fault: Fault) -> str:
    """The test's id."""
    return fault.id


@pytest.mark.parametrize("fault", CATALOGUE.faults, ids=by_id)
def test_the_named_rules_fail_and_no_other(fault: Fault, judge: Judge, request: pytest.FixtureRequest) -> None:
    verdict = judge.verdict(fault)
    count(request.config, verdict)
    assert list(verdict.problems) == []
    assert verdict.caught


@pytest.mark.parametrize("fault", SWEPT, ids=by_id)
def test_no_rule_elsewhere_is_moved(fault: Fault, judge: Judge) -> None:
    assert list(judge.verdict(fault, everything=True).problems) == []


def test_every_rule_has_a_fault_and_the_matrix_says_which(judge: Judge) -> None:
    matrix: dict[str, list[str]] = {}
    for fault in CATALOGUE.faults:
        for rule in judge.verdict(fault).killed:
            matrix.setdefault(rule, []).append(fault.id)
    found = {rule: sorted(faults) for rule, faults in sorted(matrix.items())}
    if os.environ.get("REWRITE_KILL_MATRIX"):
        MATRIX.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(MATRIX.read_text(encoding="utf-8"))
    alive = [rule for rule in judge.clean("small") if rule not in found and not excused(rule)]
    assert alive == []
    assert [pattern for pattern in CATALOGUE.unkillable if any(fnmatchcase(rule, pattern) for rule in found)] == []


def excused(rule: str) -> bool:
    """True when the catalogue says why no edit can break the rule."""
    return any(fnmatchcase(rule, pattern) for pattern in CATALOGUE.unkillable)


@pytest.mark.parametrize("base", ["small", "large"])
def test_all_faults_were_undone(base: str, judge: Judge) -> None:
    assert judge.left(base) == []


def test_there_are_faults_of_every_family_and_collection(judge: Judge) -> None:
    named = {tuple(rule.split(".")[:2]) for fault in CATALOGUE.faults for rule in (*fault.fails, *fault.warns)}
    known = {tuple(rule.split(".")[:2]) for rule in judge.clean("small") if not excused(rule)}
    assert {family for family, _ in known} <= {family for family, _ in named}
    assert {collection for _, collection in known} <= {collection for _, collection in named}
    assert len(CATALOGUE.faults) >= 200


def test_a_rule_that_passes_because_nothing_is_masked_would_fail(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "mask", lambda text: text)
    context, rules = judge.context("small")
    with Run([rule for rule in rules if rule.id == "security._database.masked_uri"], context) as run:
        (result,) = run.results()
    assert result.status == "failed"
    assert result.violations > 50


# -- the engine itself: what a fault declares wrongly is told ----------------------------------------------------------


NULL_TOTAL = {"id": "x", "title": "A total is null", "edits": [{"in": "orders", "set": {"total": None}}]}
RIGHT = {"documents.orders.total": 1, "crdt.orders.nulls": 1}


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"fails": {"documents.orders.total": 1}}, "crdt.orders.nulls: should stay passed, is failed with 1"),
        ({"fails": {**RIGHT, "documents.orders.tax": 1}}, "documents.orders.tax: should be failed, is passed with 0"),
        ({"fails": {**RIGHT, "documents.orders.total": 2}}, "documents.orders.total: should find 2, is failed with 1"),
        ({"fails": {**RIGHT, "documents.orders.sum": 1}}, "documents.orders.sum: no such rule was run"),
        ({"fails": RIGHT, "skips": ["crdt.orders.*"]}, "crdt.orders.arrays: should be skipped, is passed with 0"),
        (
            {"fails": {"crdt.orders.nulls": 1}, "warns": {"documents.orders.total": 1}},
            "documents.orders.total: should be warned, is failed with 1",
        ),
        (
            {"fails": {**RIGHT, "crdt.orders.nulls": {"in": "orders", "where": {"status": None}, "violations": 1}}},
            "which is not broken: total is null",
        ),
        ({"fails": {**RIGHT, "crdt.orders.nulls": {"refs": ["orders"]}}}, "which is not broken: total is null"),
    ],
    ids=["unnamed", "not-failed", "count", "unknown", "not-skipped", "severity", "other-document", "ref"],
)
def test_a_wrong_declaration_is_a_problem(declared: dict[str, object], problem: str, judge: Judge) -> None:
    fault = Fault.parse({**NULL_TOTAL, "id": f"engine.{problem}", **declared})
    assert [one for one in judge.verdict(fault).problems if problem in one]


def test_a_right_declaration_is_none(judge: Judge) -> None:
    verdict = judge.verdict(Fault.parse({**NULL_TOTAL, "id": "engine.right", "fails": RIGHT}))
    assert (verdict.problems, verdict.wrong, verdict.missed) == ((), (), ())
    assert set(verdict.killed) == set(RIGHT)


@pytest.mark.parametrize(
    "edit",
    [
        {"in": "orders", "where": {"status": "lost"}, "set": {"total": None}},
        {"in": "orders", "where": {"status": "completed"}, "nth": 0, "set": {"status": "completed"}},
    ],
    ids=["no-document", "no-change"],
)
def test_an_edit_that_changes_nothing_is_refused(edit: dict[str, object], judge: Judge) -> None:
    fault = Fault.parse({"id": f"engine.{edit}", "title": "Nothing is changed", "edits": [edit]})
    with pytest.raises(AssertionError, match=r"no document of orders|the edit changes nothing"):
        judge.verdict(fault)
