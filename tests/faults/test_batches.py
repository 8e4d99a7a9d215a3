"""Division of faults into batches, and their verdicts when some of a batch are not as declared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.catalogue import Fault
from tests.faults.engine.batches import LARGEST, batches
from tests.faults.engine.expectations import Verdict
from tests.faults.engine.fault_runner import FaultRunner
from tests.faults.engine.place import Place

TOTAL = {"in": "orders", "set": {"total": None}}
DROP = {"command": {"dropIndexes": "orders", "index": "status_1"}}
PERMISSIONS = "config/ditto_permissions.json"
RULE = {"file": PERMISSIONS, "unset": ["rules.collection=orders"]}


def fault(name: str, *edits: dict[str, Any], **more: Any) -> Fault:
    fails = {f"totals.orders.{name}": 1}
    return Fault.parse({"id": name, "title": name, "edits": list(edits), "fails": fails, **more})


def divided(*faults: Fault) -> list[list[str]]:
    return [[one.id for one in batch] for batch in batches(faults, [])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([TOTAL], [TOTAL]),
        ([DROP], [{"command": {"dropIndexes": "stores", "index": "x"}}]),
        ([RULE], [{"file": PERMISSIONS, "set": {"rules.collection=stores.reason": "x"}}]),
        ([RULE], [{"file": "config/users.yaml", "unset": ["zava_app"]}]),
        ([{"file": PERMISSIONS, "append": {"rules": {}}}], [{"file": PERMISSIONS, "append": {"rules": {}}}]),
    ],
    ids=["documents", "collections", "paths", "files", "items"],
)
def test_faults_that_do_not_meet_are_made_together(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert divided(fault("a", *one), fault("b", *other)) == [["a", "b"]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([TOTAL], [DROP]),
        ([TOTAL], [RULE]),
        ([DROP], [{"command": {"collMod": "orders", "validator": {}}}]),
        ([RULE], [RULE]),
        ([RULE], [{"file": PERMISSIONS, "set": {"rules.collection=orders.reason": "x"}}]),
        ([RULE], [{"file": PERMISSIONS, "delete": True}]),
        ([RULE], [{"file": PERMISSIONS, "text": "x"}]),
        ([RULE], [{"file": "config/rules.yaml", "set": {"x": 1}}]),
        ([TOTAL], [TOTAL, DROP]),
        ([TOTAL], [{"settings": {"num_orders": 1}}]),
        ([TOTAL], [{"in": "orders", "take": "all", "unset": ["status"]}]),
    ],
    ids=["kinds", "file", "collection", "path", "part", "deleted", "rewritten", "source", "mixed", "settings", "all"],
)
def test_faults_that_meet_are_made_apart(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert divided(fault("a", *one), fault("b", *other)) == [["a"], ["b"]]


def test_faults_of_one_rule_of_another_base_or_of_some_families_are_made_apart() -> None:
    same = fault("b", TOTAL, fails={"totals.orders.a": 1})
    large = fault("c", TOTAL, base="large")
    family = fault("d", TOTAL, families=["totals"])
    assert divided(fault("a", TOTAL), same, large, family) == [["a"], ["b"], ["c"], ["d"]]


def test_only_edits_of_documents_are_limited() -> None:
    count = LARGEST + 1
    assert len(batches([fault(f"f{n}", TOTAL) for n in range(count)], [])) == 2
    appended = {"file": PERMISSIONS, "append": {"rules": {}}}
    assert len(batches([fault(f"f{n}", appended) for n in range(count)], [])) == 1


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids of the faults of each run. Fault `x` is as declared only alone, `y` only without `a`, `z` never."""
    seen: list[list[str]] = []

    def run(_: FaultRunner, faults: Sequence[Fault], __: bool) -> list[Verdict]:
        ids = [one.id for one in faults]
        seen.append(ids)
        if "broken" in ids and len(ids) > 1:
            raise KeyError("broken")
        bad = {"x": len(ids) > 1, "y": "a" in ids, "z": True}
        return [Verdict(one, (), (), (), ("wrong",) if bad.get(one.id) else ()) for one in faults]

    monkeypatch.setattr(FaultRunner, "_run_faults", run)
    return seen


def verdicts(*names: str) -> list[tuple[str, ...]]:
    together = [fault(name, TOTAL) for name in names]
    runner = FaultRunner(Place(Path(), None, ""), Path)  # type: ignore[arg-type]
    return [runner.verdict(one, together=together).problems for one in together]


def test_batch_as_declared_is_run_once(runs: list[list[str]]) -> None:
    assert verdicts("a", "b") == [(), ()]
    assert runs == [["a", "b"]]


def test_rest_of_a_batch_is_run_once_more_and_then_alone(runs: list[list[str]]) -> None:
    assert verdicts("a", "x", "y", "z") == [(), (), (), ("wrong",)]
    assert runs == [["a", "x", "y", "z"], ["x", "y", "z"], ["x"], ["z"]]


def test_faults_that_cannot_be_made_together_are_made_alone(runs: list[list[str]]) -> None:
    assert verdicts("a", "broken") == [(), ()]
    assert runs == [["a", "broken"], ["a"], ["broken"]]
