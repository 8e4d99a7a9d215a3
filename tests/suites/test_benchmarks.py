"""The program that the benchmarks start in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.run.session import load_project
from suites.benchmarks.test_load import job
from tests.validation import ROOT

pytestmark = pytest.mark.server


def test_whole_job_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    found = job(load_project(ROOT, num_orders=100), tmp_path / "server", 2)
    assert found.keys() >= {"generate", "provision", "validate", "validate_cpu", "memory"}
    assert found["documents"] > 200
