"""SIGTERM ends a command whatever its threads do, and the watchdog process leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.embedded.processes import ROOT, eventually

pytestmark = pytest.mark.slow

#: A thread holds the interpreter for hours: Python gets to no signal's handler.
HANGS = """
import re, sys, threading
from conformance.run.watchdog import watch
import conformance.run.watchdog
watch(1.0)
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
thread = threading.Thread(target=lambda: re.match('(a+)+$', 'a' * 60 + '!'))
print('ready', flush=True)
thread.start()
thread.join()
"""
#: It leaves by itself, well before it would be ended, however slow the machine is.
LEAVES = """
import sys, time
from conformance.run.watchdog import watch
import signal
watch(60.0)
def leave(*_):
    time.sleep(0.3)
    sys.exit(7)
signal.signal(signal.SIGTERM, leave)
print('ready', flush=True)
time.sleep(60)
"""


@contextmanager
def run(script: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in path.read_text().split()] if path.exists() else []


def test_sigterm_ends_a_process_whose_thread_holds_the_interpreter() -> None:
    with run(HANGS) as process:
        time.sleep(0.3)
        started = time.monotonic()
        process.terminate()
        assert process.wait(20) == -signal.SIGKILL
        assert time.monotonic() - started > 0.8  # it had its time to leave


def test_further_signals_do_not_extend_the_time() -> None:
    with run(HANGS) as process:
        time.sleep(0.3)
        process.terminate()
        started = time.monotonic()
        while process.poll() is None and time.monotonic() - started < 20:
            process.terminate()
            time.sleep(0.4)
        assert process.wait(20) == -signal.SIGKILL
        assert time.monotonic() - started < 10


def test_process_that_exits_is_not_killed() -> None:
    with run(LEAVES) as process:
        process.terminate()
        assert process.wait(40) == 7


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_watchdog_process_ends_with_its_process() -> None:
    for end in (signal.SIGTERM, signal.SIGKILL):
        with run(LEAVES) as process:
            (watching,) = children(process.pid)
            os.kill(watching, signal.SIGTERM)  # like a signal to the whole group
            process.send_signal(end)
            process.communicate(timeout=40)
        assert eventually(lambda watching=watching: not Path(f"/proc/{watching}").exists(), 5)  # type: ignore[misc]
