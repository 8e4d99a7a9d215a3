"""Servers, processes and stand-ins for the tests of the embedded server; a plugin of their files.

PYTEST_DONT_REWRITE: the files import it before pytest could, which pytest would warn about.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer
from tests.root import ROOT

#: A shell's background jobs ignore SIGINT, and so do the processes that they start: the tests and theirs.
PREAMBLE = """
import signal, sys
from pathlib import Path
from conformance.embedded.server import *
signal.signal(signal.SIGINT, signal.default_int_handler)
place = Path(sys.argv[1])
"""
Process = subprocess.Popen[str]
Launch = Callable[..., Process]
Fake = Callable[[str], Path]


def eventually(condition: Callable[[], object], seconds: float = 15.0) -> bool:
    """Poll until the condition holds; False when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def running(directory: Path) -> list[Any]:
    """Return the mongods and supervisors of the directory."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        own = str(directory) in (process.info["cmdline"] or []) or process.info["cwd"] == str(directory)
        if own and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def standalone(directory: Path, **options: Any) -> EmbeddedServer:
    """Return a server for tests that need no replica set: it stops within 0.1 s, a replica set in 1 s."""
    return EmbeddedServer(directory, cache_gb=0.25, replica_set=False, linger=0.2, **options)


def client(uri: str) -> MongoClient[dict[str, Any]]:
    """Return a client that waits only briefly for a server that has ended."""
    return MongoClient(uri, serverSelectionTimeoutMS=3000)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Give a directory for one server, and fail the test that leaves a process behind."""
    place = tmp_path / "server"
    yield place
    left = [] if eventually(lambda: not running(place)) else running(place)
    for process in left:
        process.kill()
    assert left == []


@pytest.fixture
def launch(directory: Path) -> Iterator[Launch]:
    """Return a function that runs a process on the directory: it prints one line and waits for its stdin to close."""
    started: list[Process] = []

    def run(code: str, *arguments: str) -> Process:
        command = [sys.executable, "-c", PREAMBLE + code, str(directory), *arguments]
        started.append(subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def first_line(process: Process) -> str:
    """Wait for the line of a launched process."""
    assert process.stdout
    return process.stdout.readline().strip()


def leave(process: Process) -> None:
    """Let a launched process exit normally."""
    process.communicate()
    assert process.returncode == 0


@pytest.fixture
def fake_mongod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Return a function that puts a shell script on PATH as mongod."""

    def write(script: str) -> Path:
        binary = tmp_path / "bin" / "mongod"
        binary.parent.mkdir()
        binary.write_text(f"#!/bin/sh\n{script}\n")
        binary.chmod(0o755)
        monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
        return binary

    return write
