"""The fault catalogue: each fault makes exactly the rules fail that it names, and no rule is without a fault."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from conformance.model import load_model
from tests.conftest import VERDICTS
from tests.faults.catalogue import Fault, load_catalogue
from tests.faults.judgement import Judge
from tests.judging import ROOT

MATRIX = Path(__file__).parent / "faults" / "kill_matrix.json"
CATALOGUE = load_catalogue(load_model(ROOT))


def by_id(fault: Fault) -> str:
    return fault.id


@pytest.mark.parametrize("fault", CATALOGUE.faults, ids=by_id)
def test_fault(fault: Fault, judge: Judge, request: pytest.FixtureRequest) -> None:
    verdict = judge.verdict(fault)
    verdicts = request.config.stash.setdefault(VERDICTS, {})
    verdicts[fault.id] = (verdict.caught, len(verdict.wrong))
    assert list(verdict.problems) == []
    assert verdict.caught
