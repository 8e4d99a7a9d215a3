"""The fault engine: correct declarations, wrong ones that it must report, and files that it must reject."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.catalogue import Fault, load_catalogue
from tests.faults.engine.documents import Touched
from tests.faults.engine.expectations import Verdict
from tests.faults.engine.fault_runner import FaultRunner
from tests.faults.engine.server_state import ServerState, hashes
from tests.faults.kill_matrix import COMMITTED, alive, matrix, needless, stale, write
from tests.faults.tally import count, in_words
from tests.validation import shipped_model

MODEL = shipped_model()
NULL_TOTAL = {"id": "x", "title": "A total is null", "edits": [{"in": "orders", "set": {"total": None}}]}
RIGHT = {"documents.orders.total": 1, "crdt.orders.nulls": 1}
UNSEEN = {"in": "orders", "set": {"updated_at": "2026-06-30T12:00:00Z"}}
REASONS = {
    "documents.orders.total": "total null is not of type int, long or double",
    "crdt.orders.nulls": "total is null",
}

# -- correct declarations ---------------------------------------------------------------------------------------------


def test_correct_declaration_is_caught(fault_runner: FaultRunner) -> None:
    verdict = fault_runner.verdict(
        Fault.parse({**NULL_TOTAL, "id": "engine.right", "fails": RIGHT, "reasons": REASONS})
    )
    assert (verdict.problems, verdict.wrong, verdict.missed) == ((), (), ())
    assert set(verdict.killed) == set(RIGHT)
    assert verdict.caught


# -- problems that must be reported -----------------------------------------------------------------------------------


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
        (
            {"edits": [{"in": "orders", "set": {"total": None, "deleted": True}}], "fails": RIGHT},
            "references.order_items.order_id-deleted: should stay passed, is warned with",
        ),
        (
            {"fails": RIGHT, "reasons": {"crdt.orders.nulls": "subtotal is *"}},
            "crdt.orders.nulls: should say 'subtotal is *', is failed with 1",
        ),
    ],
    ids=[
        "unnamed",
        "not-failed",
        "count",
        "unknown",
        "not-skipped",
        "severity",
        "other-document",
        "ref",
        "elsewhere",
        "reason",
    ],
)
def test_wrong_declaration_is_a_problem(declared: dict[str, object], problem: str, fault_runner: FaultRunner) -> None:
    verdict = fault_runner.verdict(Fault.parse({**NULL_TOTAL, "id": f"engine.{problem}", **declared}))
    assert [one for one in verdict.problems if problem in one]


@pytest.mark.parametrize(
    ("fails", "missed"),
    [({}, ()), ({"totals.orders.tax": 1}, ("totals.orders.tax",))],
    ids=["nothing-said", "another-said"],
)
def test_fault_that_no_rule_reports_is_missed(
    fails: dict[str, int], missed: Sequence[str], fault_runner: FaultRunner
) -> None:
    """No rule reads the time of year in which an order changed: a fault of it is missed."""
    fault = {"id": f"engine.unseen-{len(fails)}", "title": "Unseen", "edits": [UNSEEN], "fails": fails}
    verdict = fault_runner.verdict(Fault.parse(fault))
    assert (verdict.caught, verdict.killed, verdict.missed) == (False, (), tuple(missed))
    assert verdict.wrong == ()


def test_fault_that_one_declared_rule_does_not_report_is_missed(fault_runner: FaultRunner) -> None:
    fails = {**RIGHT, "totals.orders.item_count": 1}
    verdict = fault_runner.verdict(Fault.parse({**NULL_TOTAL, "id": "engine.half", "fails": fails}))
    assert (verdict.caught, verdict.missed) == (False, ("totals.orders.item_count",))


@pytest.mark.parametrize(
    "edit",
    [
        {"in": "orders", "where": {"status": "lost"}, "set": {"total": None}},
        {"in": "orders", "where": {"status": "completed"}, "nth": 0, "set": {"status": "completed"}},
    ],
    ids=["no-document", "no-change"],
)
def test_edit_without_an_effect_is_rejected(edit: dict[str, object], fault_runner: FaultRunner) -> None:
    fault = Fault.parse({"id": f"engine.{edit}", "title": "Nothing is changed", "edits": [edit]})
    with pytest.raises(AssertionError, match=r"no document of orders|the edit changes nothing"):
        fault_runner.verdict(fault)


@pytest.fixture
def undone_late(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Postpone the undo until the end of the test."""
    waiting: list[Any] = []
    real = {kind: kind.undo for kind in (Touched, ServerState)}
    for kind in real:
        monkeypatch.setattr(kind, "undo", lambda self: waiting.append(self))
    yield waiting
    for one in waiting:
        real[type(one)](one)


EXTRA = {"createIndexes": "orders", "indexes": [{"name": "extra", "key": {"colour": 1}}]}


@pytest.mark.parametrize(
    ("edit", "fails", "left"),
    [
        (
            {"in": "orders", "set": {"total": None}},
            RIGHT,
            {
                "the documents are not as they were before the fault",
                "documents.orders.total is failed after the fault was undone",
                "crdt.orders.nulls is failed after the fault was undone",
            },
        ),
        (
            UNSEEN,
            {},
            {"the documents are not as they were before the fault"},
        ),
        (
            {"command": EXTRA},
            {"indexes.orders.extra": {"refs": ["orders.extra"]}},
            {
                "collections, options or indexes are not as they were before the fault",
                "indexes.orders.extra is failed after the fault was undone",
            },
        ),
    ],
    ids=["documents", "unseen", "index"],
)
def test_incomplete_undo_is_reported(
    edit: dict[str, Any], fails: dict[str, Any], left: set[str], fault_runner: FaultRunner, undone_late: list[Any]
) -> None:
    fault = Fault.parse({"id": f"engine.undo-{edit}", "title": "Not undone", "edits": [edit], "fails": fails})
    assert set(fault_runner.verdict(fault).problems) == left
    assert undone_late


@pytest.mark.parametrize(
    "commands",
    [
        [{"drop": "inventory"}],
        [{"drop": "inventory"}, {"create": "inventory", "timeseries": {"timeField": "last_updated"}}],
        [{"drop": "stores"}, {"create": "stores", "viewOn": "orders", "pipeline": []}],
        [{"convertToCapped": "categories", "size": 1_000_000}],
        [{"create": "tmp"}, {"create": "seen", "viewOn": "tmp", "pipeline": []}],
        [{"collMod": "orders", "validator": {}, "changeStreamPreAndPostImages": {"enabled": False}}],
        [{"dropIndexes": "products", "index": "*"}],
    ],
    ids=["dropped", "time-series", "view", "capped", "unknown", "options", "indexes"],
)
def test_every_command_is_undone(commands: list[dict[str, Any]], fault_runner: FaultRunner) -> None:
    database = fault_runner.place.database("small")
    state, before = ServerState(database), hashes(database, MODEL.collections)
    for command in commands:
        state.run(command)
    assert not state.same_as(ServerState(database))
    state.undo()
    assert state.same_as(ServerState(database))
    assert hashes(database, MODEL.collections) == before


# -- faults that are rejected ------------------------------------------------------------------------------------------

ENTRY = {"id": "a.b", "title": "Something is broken", "edits": [{"in": "orders", "unset": ["total"]}]}
PATTERN = {
    "pattern": "gone",
    "each": "field",
    "title": "Something is broken",
    "edits": [{"in": "{collection}", "unset": ["{path}"]}],
}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"fault": [ENTRY]}, r"broken\.yaml: at \$: .*'fault' was unexpected"),
        ({}, r"broken\.yaml: at \$: "),
        ({"faults": []}, r"broken\.yaml: at \$\.faults: "),
        ({"faults": [{**ENTRY, "id": "a b"}]}, r"at \$\.faults\[0\]\.id: "),
        ({"faults": [{"id": "a.b", "title": "short"}]}, r"at \$\.faults\[0\]\.title: "),
        ({"faults": [{"id": "a.b"}]}, r"at \$\.faults\[0\]: 'title' is a required"),
        ({"faults": [{**ENTRY, "fail": {}}]}, r"at \$\.faults\[0\]: "),
        ({"faults": [{**ENTRY, "fails": {"documents.orders.total": 0}}]}, r"at \$\.faults\[0\]\.fails"),
        ({"faults": [{**ENTRY, "fails": {"documents.orders.total": {"where": {}}}}]}, r"at \$\.faults\[0\]\.fails"),
        ({"faults": [{**ENTRY, "edits": [{"into": "orders"}]}]}, r"at \$\.faults\[0\]\.edits\[0\]"),
        ({"faults": [{**ENTRY, "edits": [{"in": "orders"}]}]}, r"at \$\.faults\[0\]\.edits\[0\]"),
        (
            {"faults": [{**ENTRY, "edits": [{"in": "orders", "cast": {"total": "roman"}}]}]},
            r"at \$\.faults\[0\]\.edits\[0\]",
        ),
        ({"unkillable": {"a.b.c": "because"}}, r"at \$\.unkillable\['a\.b\.c'\]"),
        ({"faults": [ENTRY, ENTRY]}, r"two faults of one id: \['a\.b'\]"),
        ({"faults": [ENTRY], "harmless": [ENTRY]}, r"two faults of one id: \['a\.b'\]"),
        (
            {"faults": [ENTRY], "reasons": {"a.c": {"documents.orders.total": "why"}}},
            r"faults that are none: \['a\.c'\]",
        ),
        ({"patterns": [{**PATTERN, "each": "row"}]}, r"at \$\.patterns\[0\]\.each: 'row'"),
        ({"patterns": [{**PATTERN, "where": {"kind": "colour"}}]}, "the pattern 'gone' makes no fault"),
        (
            {"patterns": [{**PATTERN, "where": {"kind": "money"}, "also": {"orders.status": {}}}]},
            r"names what it does not make: \['orders\.status'\]",
        ),
        ("faults: [{id: a.b, id: a.c, title: Something is broken}]", "a key appears twice"),
    ],
)
def test_invalid_file_is_rejected(content: Any, place: str, tmp_path: Path) -> None:
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    (tmp_path / "broken.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match=place):
        load_catalogue(MODEL, tmp_path)


def test_valid_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "right.yaml").write_text(yaml.safe_dump({"faults": [ENTRY]}), encoding="utf-8")
    assert [fault.id for fault in load_catalogue(MODEL, tmp_path).faults] == ["a.b"]


def test_missing_catalogue_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="holds no catalogue"):
        load_catalogue(MODEL, tmp_path)


# -- the kill matrix ---------------------------------------------------------------------------------------------------


def verdict_of(
    fault: str, killed: Sequence[str] = (), missed: Sequence[str] = (), wrong: Sequence[str] = ()
) -> Verdict:
    return Verdict(Fault(fault, fault), tuple(killed), tuple(missed), tuple(wrong), ())


def test_matrix_is_built_from_the_verdicts(tmp_path: Path) -> None:
    found = matrix([verdict_of("late", "ba"), verdict_of("early", "b"), verdict_of("unseen")])
    assert found == {"a": ["late"], "b": ["early", "late"]}
    write(found, tmp_path / "matrix.json")
    assert json.loads((tmp_path / "matrix.json").read_text(encoding="utf-8")) == found


@pytest.mark.parametrize(
    ("committed", "problems"),
    [
        ({"a": ["x"], "b": ["x", "y"]}, []),
        ({"b": ["x", "y"]}, ["a is killed by x, which the matrix does not say"]),
        ({"a": ["x"], "b": ["x"]}, ["b is killed by y, which the matrix does not say"]),
        ({"a": ["x"], "b": ["x", "y", "z"]}, ["b is not killed by z, as the matrix says"]),
        ({"a": ["x"], "b": ["x", "y"], "c": ["x"]}, ["c is not killed by x, as the matrix says"]),
    ],
)
def test_stale_matrix_is_reported(committed: dict[str, list[str]], problems: list[str]) -> None:
    assert list(stale({"a": ["x"], "b": ["x", "y"]}, committed)) == problems


def test_rule_without_a_fault_is_reported(fault_runner: FaultRunner) -> None:
    rules, unkillable = list(fault_runner.clean("small")), load_catalogue(MODEL).unkillable
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    without = {rule: faults for rule, faults in committed.items() if rule != "totals.orders.tax"}
    assert alive(rules, without, unkillable) == ["totals.orders.tax"]
    assert alive(rules, {**without, "totals.orders.tax": []}, unkillable) == ["totals.orders.tax"]
    assert alive(rules, without, {**unkillable, "totals.orders.t?x": "an excuse"}) == []


def test_unused_excuse_is_reported() -> None:
    rules, found = ["a.b.c", "a.b.d"], {"a.b.c": ["x"]}
    assert needless(rules, found, {"a.b.d": ""}) == []
    assert needless(rules, found, {"a.b.*": "", "a.b.e": ""}) == ["a.b.*", "a.b.e"]


# -- the summary ------------------------------------------------------------------------------------------------------


def test_summary_counts_caught_missed_and_wrong_faults() -> None:
    class Config:
        stash = pytest.Stash()

    config: Any = Config()
    assert in_words(config) is None
    for verdict in (
        verdict_of("caught", "a"),
        verdict_of("caught", "a"),
        verdict_of("half", "a", missed="b"),
        verdict_of("unseen"),
        verdict_of("other", "a", wrong="c"),
    ):
        count(config, verdict)
    assert in_words(config) == "4 faults, 2 caught, 1 by the wrong rule"
