"""A worker that crashes fails one test; all others run, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.root import ROOT

pytestmark = pytest.mark.slow

CONFTEST = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.schedule import FileScheduling
def pytest_xdist_make_scheduler(config, log):
    return FileScheduling(config, log)
"""
CRASHES = """
import os, time
def test_before(): time.sleep(2)  # the other worker has nothing left to do by then
def test_crash(): os._exit(1)
def test_after(): pass
"""


def test_run_ends_after_a_crash_of_a_worker(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in "abcdef":
        (tmp_path / f"test_{name}.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    (tmp_path / "test_g.py").write_text(CRASHES)
    command = ["-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-q", str(tmp_path)]
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "crashed while running 'test_g.py::test_crash'" in done.stdout
    assert "1 failed, 14 passed" in done.stdout
