"""The fault catalogue: each fault fails exactly its declared rules, and every rule has a fault."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Final

import pytest

from conformance.rules.server import security
from conformance.run.runner import Run
from tests.faults.catalogue import Fault, shipped_catalogue
from tests.faults.engine.batches import of_selected_tests
from tests.faults.engine.fault_runner import FaultRunner
from tests.faults.kill_matrix import COMMITTED, alive, excused, matrix, needless, row, stale, write
from tests.faults.tally import count
from tests.schedule import PARTS, part

CATALOGUE: Final = shipped_catalogue()
#: Faults that run at every commit; the others resemble one of these and run in make soak.
FAULTS: Final = [fault for fault in CATALOGUE.faults if not fault.soak]
#: Every twenty-fifth fault; all rules are run for it, not only those that the edit can touch.
SWEPT: Final = FAULTS[::25]
MATRIX: Final[dict[str, list[str]]] = json.loads(COMMITTED.read_text(encoding="utf-8"))


#: The variable that asks for the kill matrix to be computed and written, by one process: without -n.
REWRITE: Final = "REWRITE_KILL_MATRIX"


@pytest.fixture(scope="module")
def batch(fault_runner: FaultRunner, request: pytest.FixtureRequest) -> Mapping[str, Sequence[Fault]]:
    """By fault, the batch that it belongs to."""
    if os.environ.get(REWRITE):
        return {}
    return of_selected_tests(
        request.session.items, test_fault_fails_exactly_its_declared_rules, fault_runner.context("small")[1], part
    )


def by_id(fault: Fault) -> str:
    """Return the test's id."""
    return fault.id


@pytest.mark.parametrize(
    "fault", [pytest.param(one, marks=pytest.mark.soak if one.soak else ()) for one in CATALOGUE.faults], ids=by_id
)
def test_fault_fails_exactly_its_declared_rules(
    fault: Fault, fault_runner: FaultRunner, batch: Mapping[str, Sequence[Fault]], request: pytest.FixtureRequest
) -> None:
    verdict = fault_runner.verdict(fault, together=batch.get(fault.id, ()))
    count(request.config, verdict)
    assert list(verdict.problems) == []
    assert verdict.caught
    if not fault.soak and not os.environ.get(REWRITE):
        assert list(stale(matrix([verdict]), row(MATRIX, fault.id))) == []


@pytest.mark.parametrize("fault", SWEPT, ids=by_id)
def test_no_other_rule_changes(fault: Fault, fault_runner: FaultRunner) -> None:
    assert list(fault_runner.verdict(fault, everything=True).problems) == []


@pytest.mark.skipif(not os.environ.get(REWRITE), reason=f"{REWRITE}=1 computes the kill matrix and writes it")
def test_matrix_is_written(fault_runner: FaultRunner) -> None:
    write(matrix(fault_runner.verdict(fault) for fault in FAULTS))


def test_every_rule_has_a_fault_or_an_excuse(fault_runner: FaultRunner) -> None:
    """The committed matrix is used; each fault's test above compares its own part."""
    rules = set(fault_runner.clean("small"))
    assert alive(rules, MATRIX, CATALOGUE.unkillable) == []
    assert needless(rules, MATRIX, CATALOGUE.unkillable) == []
    edited = {fault.id for fault in FAULTS if any("schemas/" in edit.get("file", "") for edit in fault.edits)}
    # rules of fields that only a fault declares
    assert all(edited.issuperset(MATRIX[rule]) for rule in MATRIX.keys() - rules)
    assert {fault for faults in MATRIX.values() for fault in faults} <= {fault.id for fault in FAULTS}


@pytest.mark.parametrize("of_part", range(PARTS), ids="part{}".format)
@pytest.mark.parametrize("base", ["small", "large"])
def test_all_faults_were_undone(base: str, of_part: int, fault_runner: FaultRunner) -> None:
    assert fault_runner.left(base) == []


def test_every_family_and_collection_has_faults(fault_runner: FaultRunner) -> None:
    named = {tuple(rule.split(".")[:2]) for fault in FAULTS for rule in (*fault.fails, *fault.warns)}
    known = {
        tuple(rule.split(".")[:2]) for rule in fault_runner.clean("small") if not excused(rule, CATALOGUE.unkillable)
    }
    assert {family for family, _ in known} <= {family for family, _ in named}
    assert {collection for _, collection in known} <= {collection for _, collection in named}
    assert len(FAULTS) >= 200


def test_masking_rule_fails_without_a_mask(fault_runner: FaultRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "mask", lambda text: text)
    context, rules = fault_runner.context("small")
    with Run([rule for rule in rules if rule.id == "security._database.masked_uri"], context) as run:
        (result,) = run.results()
    assert result.status == "failed"
    assert result.violations > 50
