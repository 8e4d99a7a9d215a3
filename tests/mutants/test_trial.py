"""Trials import the mutant, not the original."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
