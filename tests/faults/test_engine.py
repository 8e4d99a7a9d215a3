"""The fault engine: correct declarations pass; wrong ones, and edits that are not undone, are reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.faults.catalogue import Fault
from tests.faults.engine.documents import Touched
from tests.faults.engine.fault_runner import FaultRunner
from tests.faults.engine.server_state import ServerState, hashes
from tests.models import shipped_model

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
