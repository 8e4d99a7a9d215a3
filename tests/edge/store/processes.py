"""Scripts with stores, in processes of their own: native code may end them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.validation import ROOT

#: Seconds after which a process counts as hanging, on a busy machine.
PATIENCE = 60.0
#: The beginning of every script; its arguments are paths.
BEGIN = """
import os, resource, signal, sys, threading, time
from pathlib import Path
from conformance.errors import TargetError
from edge.store import sdk_thread
from edge.store.store import Store
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background takes from its children
def report(work):
    try:
        print(work())
    except TargetError as error:
        print(type(error).__name__, error)
paths = [Path(argument) for argument in sys.argv[1:]]
"""
ROWS = 'rows = [{"_id": number, "text": "x" * 200} for number in range(1000)]\n'


def started(script: str, *paths: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", BEGIN + script, *map(str, paths)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(script: str, *paths: Path, **environment: str) -> list[str]:
    """Return the lines that a script prints; assert that it succeeds and that native code writes nothing to stderr."""
    process = started(script, *paths, **environment)
    out, err = read(process)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


def read(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return the output of a process, and assert that it ends."""
    assert process.stdout is not None
    assert process.stderr is not None
    alarm = threading.Timer(PATIENCE, process.kill)
    alarm.start()
    try:
        with process:
            return process.stdout.read(), process.stderr.read()
    finally:
        alarm.cancel()
