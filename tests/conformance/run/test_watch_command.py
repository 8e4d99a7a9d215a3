"""zava validate --watch: its lines, its JSON, and its view in a terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
from typing import Any

import pytest
from pymongo import MongoClient

from tests.commands import Done, Workplace
from tests.conformance.embedded.processes import Process
from tests.conformance.run.numbered import numbered

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["numbered"]


Mongo = MongoClient[dict[str, Any]]


# The command


def stopped(process: Process, number: int = signal.SIGINT) -> Done:
    """Stop the command with Ctrl-C."""
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return Done(process.returncode, out, err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_prints_a_line_per_verdict_and_exits_with_the_last(
    workplace: Workplace, mongo: Mongo, numbered: str, uri: str, number: int
) -> None:
    flags = ("--watch", "--only", "counts.orders")
    process = workplace.start("zava", "validate", *flags, "--uri", uri, env={"MONGODB_DATABASE": numbered})
    assert process.stdout
    first = process.stdout.readline()
    assert f" {numbered} on {uri}" in first
    assert ": CONFORMANT; " in first
    if number == signal.SIGINT:
        mongo[numbered]["orders"].delete_one({})
        line = process.stdout.readline()
        assert "NOT CONFORMANT" in line
        assert "after orders (1 change)" in line
        assert "broken: counts.orders.documents" in line
    done = stopped(process, number)
    assert (done.code, done.err) == (1 if number == signal.SIGINT else 0, "stopped\n")


def test_watch_prints_one_json_object_per_verdict(workplace: Workplace, mongo: Mongo, numbered: str, uri: str) -> None:
    flags = ("--watch", "--format", "json", "--only", "counts.orders")
    process = workplace.start("zava", "validate", *flags, "--uri", uri, env={"MONGODB_DATABASE": numbered})
    assert process.stdout
    first = json.loads(process.stdout.readline())
    assert first["verdict"] == "CONFORMANT"
    assert first["target"].startswith(f"{numbered} on ")
    gone = mongo[numbered]["orders"].find_one_and_delete({})
    second = json.loads(process.stdout.readline())
    assert second["changed"] == {"collections": ["orders"], "events": 1}
    assert second["new"] == ["counts.orders.documents"]
    assert second["broken"] == [{"id": "counts.orders.documents", "violations": 1}]
    assert gone
    mongo[numbered]["orders"].insert_one(gone)
    assert json.loads(process.stdout.readline())["fixed"] == ["counts.orders.documents"]
    assert stopped(process).code == 0


def test_terminal_view_is_updated_in_place(workplace: Workplace, numbered: str, uri: str) -> None:
    ours, its = pty.openpty()
    flags = ("--watch", "--only", "counts.orders")
    environment = {"MONGODB_DATABASE": numbered, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = workplace.start("zava", "validate", *flags, "--uri", uri, env=environment, stdout=its, stderr=its)
    os.close(its)
    shown = b""
    while b"watching; Ctrl-C ends it" not in shown:
        shown += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end was closed
            break
        shown += part
        if not part:
            break
    os.close(ours)
    assert process.wait(30) == 0
    assert b"CONFORMANT" in shown
    assert shown.rstrip().endswith(b"stopped")
    assert b"\x1b[?25h" in shown  # the cursor is back


@pytest.mark.parametrize("flags", [["--reports", "x"], ["--format", "html"], ["--baseline", "b", "--update-baseline"]])
def test_options_incompatible_with_watch_are_rejected(workplace: Workplace, flags: list[str]) -> None:
    done = workplace.zava("validate", "--embedded", "--watch", *flags)
    assert done.code == 2
    assert "--watch prints text or JSON lines" in done.line
