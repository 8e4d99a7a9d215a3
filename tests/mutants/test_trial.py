"""Trials import the mutant, not the original."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.mutants import session
from tests.root import ROOT

pytestmark = pytest.mark.slow


def preloading(before: str) -> subprocess.CompletedProcess[str]:
    script = f"{before}\nfrom tests.mutants.ground import preload\npreload()"
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_no_mutated_module_is_imported_before_the_trials() -> None:
    done = preloading("")
    assert done.returncode == 0, done.stderr


def test_mutated_module_that_is_imported_already_is_an_error() -> None:
    done = preloading("import conformance.checks.survey")
    assert "RuntimeError: imported before the mutants: " in done.stderr
    assert "conformance.checks.survey" in done.stderr


def test_mutant_that_asks_for_too_much_memory_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take that of the machine, and end the run with all its results."""
    monkeypatch.setattr(session, "killed_by", lambda *_: bytearray(session.MEMORY) and None)
    assert session._in_a_process(..., ..., ...) == "it died"  # type: ignore[arg-type]
    monkeypatch.setattr(session, "killed_by", lambda *_: None)
    assert session._in_a_process(..., ..., ...) is None  # type: ignore[arg-type]
