"""A process of the harness starts no idle threads, and does not look for garbage as it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.embedded.processes import ROOT

pytestmark = pytest.mark.slow

#: Prints what the command does with threads of BLAS, and whether objects are exempt from the collection at the end.
COMMAND: Final = """
import atexit, gc, os, sys
atexit.register(lambda: print("exempt", gc.get_freeze_count() > 0))  # the last to register is the first to be called
sys.argv = ["zava", "rules", "--help"]
from zava.__main__ import main
try:
    main()
finally:
    import numpy
    numpy.ones((500, 500)) @ numpy.ones((500, 500))
    print("threads", len(os.listdir("/proc/self/task")))
"""
#: Run by pytest in place of tests.
PLUGIN: Final = """
import os
def pytest_runtestloop():
    import numpy
    numpy.ones((500, 500)) @ numpy.ones((500, 500))
    print("\\nthreads", len(os.listdir("/proc/self/task")))
    return True
"""


def output(*command: str, **environment: str) -> str:
    own = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    run = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=own | environment, capture_output=True, text=True, timeout=120
    )
    return run.stdout + run.stderr


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize(("chosen", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 3)])
def test_command_starts_threads_of_blas_only_if_the_user_chose_so(chosen: dict[str, str], threads: int) -> None:
    """Both NumPy and SciPy come with a BLAS, each of which starts the threads beyond the first."""
    assert f"\nthreads {threads}\n" in output("-c", COMMAND, **chosen)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("arguments", [("suites/rules",), ("--zava", "--rootdir", "{}", "{}")])
def test_run_of_suites_starts_no_threads_of_blas(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "threads_plugin.py").write_text(PLUGIN)
    command = ["-m", "pytest", "-q", "-p", "threads_plugin", *(each.format(tmp_path) for each in arguments)]
    assert "\nthreads 1\n" in output(*command, PYTHONPATH=str(tmp_path))


def test_objects_are_exempt_from_garbage_collection_as_the_command_ends() -> None:
    assert "\nexempt True\n" in output("-c", COMMAND)
