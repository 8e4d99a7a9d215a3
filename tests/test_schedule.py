"""A worker that crashes fails one test, all others run once; tests that wait run on one worker at a time."""

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
#: No two of these run at a time; in each file a second test shows that a file is not left before its end.
WAITS = """
import time
from pathlib import Path
import pytest
@pytest.mark.parametrize("number", range(2))
def test_alone(number):
    lock = Path(__file__).with_name("lock")
    lock.touch(exist_ok=False)
    time.sleep(0.2)
    lock.unlink()
"""


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests in a folder with two workers."""
    (folder / "conftest.py").write_text(CONFTEST)
    command = ["-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-q", str(folder)]
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=60)


def test_run_ends_after_a_crash_of_a_worker(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / f"test_{name}.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    (tmp_path / "test_g.py").write_text(CRASHES)
    done = run(tmp_path)
    assert done.returncode == 1
    assert "crashed while running 'test_g.py::test_crash'" in done.stdout
    assert "1 failed, 14 passed" in done.stdout


def test_waiting_tests_run_on_one_worker_at_a_time(tmp_path: Path) -> None:
    waiting, others = tmp_path / "tests/edge/bridge", tmp_path / "tests/others"
    waiting.mkdir(parents=True)
    others.mkdir()
    for name in "abcd":
        (waiting / f"test_{name}.py").write_text(WAITS)
    for number in range(20):
        (others / f"test_{number}.py").write_text("import time\ndef test_one(): time.sleep(0.1)\n")
    done = run(tmp_path)
    assert "28 passed" in done.stdout
