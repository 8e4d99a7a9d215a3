"""Servers that die, runs that are interrupted, and two runs at once: the next run repairs what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from conformance.embedded.locks import dataset_lock
from tests.commands import Done, Workplace, finish, left
from tests.conformance.embedded.processes import ROOT, Process, eventually, running
from tests.end_to_end.alone import LARGEST, alone, its_server_is_stopped

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["alone", "its_server_is_stopped"]


Mongo = MongoClient[dict[str, Any]]


#: Enough that there is time to interfere, little enough to be made in a few seconds.
LARGER = {"NUM_ORDERS": "20000", "NUM_CUSTOMERS": "500"}


def server_of(workplace: Workplace, process: Process) -> Mapping[str, Any]:
    """Wait for the embedded server that a program started; return its pid and URI."""
    found: list[Mapping[str, Any]] = []

    def published() -> bool:
        try:
            found.append(json.loads((workplace.directory / "state.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return False
        return True

    assert eventually(lambda: published() or process.poll() is not None)
    assert found, process.communicate()
    return found[0]


def wait_until(uri: str, busy: Any, process: Process) -> None:
    """Wait until the server does this work."""
    with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=3000) as client:

        def at_work() -> bool:
            try:
                return bool(busy(client))
            except PyMongoError:
                return False  # not started yet

        assert eventually(lambda: at_work() or process.poll() is not None, 60)
    assert process.poll() is None, process.communicate()


def is_generating(client: Mongo) -> bool:
    """Return whether the largest collection is being loaded."""
    return 0 < client["zava"][LARGEST].estimated_document_count() < int(LARGER["NUM_ORDERS"])


def is_validating(client: Mongo) -> bool:
    """Return whether a rule is being run."""
    under_way = client.admin.aggregate([{"$currentOp": {}}, {"$match": {"appName": "zava-conformance"}}])
    return any("aggregate" in one.get("command", {}) for one in under_way)


def remove_dataset(workplace: Workplace) -> None:
    """Make the next run generate the dataset again."""
    for note in workplace.directory.glob("dataset-*.json"):
        note.write_text('{"fingerprint": "of something else"}', encoding="utf-8")


def assert_next_run_succeeds(workplace: Workplace, message: str) -> None:
    """Assert that the next run does what is left to do, and succeeds."""
    done = workplace.zava("validate", "--embedded", "--only", "counts", env=LARGER)
    assert (done.code, done.err.splitlines()) == (0, [message] if message else []), done.err


# The server dies, the user leaves


VALIDATE = ("zava", "validate", "--embedded")
SUITES = ("pytest", str(ROOT / "suites"), "--embedded", "-q")


@pytest.mark.parametrize(
    ("command", "busy", "afterwards"),
    [
        pytest.param(
            ("zava", "generate", "--embedded", "--drop"),
            is_generating,
            "generating the dataset",
            marks=pytest.mark.soak,
        ),
        pytest.param(VALIDATE, is_validating, "", marks=pytest.mark.soak),
        (SUITES, is_validating, ""),
    ],
    ids=["generate", "validate", "suites"],
)
def test_killed_server_is_reported_and_next_run_recovers(
    alone: Workplace, command: tuple[str, ...], busy: Any, afterwards: str
) -> None:
    if busy is is_generating:
        remove_dataset(alone)
    process = alone.start(*command, env=LARGER)
    server = server_of(alone, process)
    wait_until(server["uri"], busy, process)
    os.kill(server["pid"], signal.SIGKILL)
    done = finish(process)
    assert done.code == 3
    lines = [line for line in (done.out + done.err).splitlines() if "mongod was killed by SIGKILL" in line]
    assert len(lines) == 1, done
    assert "Traceback" not in done.out + done.err
    assert not (alone.root / "reports" / "validation.json").exists()
    assert_next_run_succeeds(alone, afterwards)


@pytest.mark.parametrize(
    ("command", "sent", "code"),
    [
        (("generate", "--embedded", "--drop"), signal.SIGINT, 130),
        pytest.param(("validate", "--embedded"), signal.SIGTERM, 143, marks=pytest.mark.soak),
        pytest.param(("generate", "--embedded", "--drop"), signal.SIGTERM, 143, marks=pytest.mark.soak),
        pytest.param(("validate", "--embedded"), signal.SIGINT, 130, marks=pytest.mark.soak),
    ],
)
def test_interrupted_generation_is_repeated_by_the_next_run(
    alone: Workplace, command: tuple[str, ...], sent: signal.Signals, code: int
) -> None:
    remove_dataset(alone)
    process = alone.start("zava", *command, env=LARGER)
    wait_until(server_of(alone, process)["uri"], is_generating, process)
    process.send_signal(sent)
    done = finish(process)
    assert (done.code, done.out) == (code, "")
    assert "Traceback" not in done.err
    assert eventually(lambda: not running(alone.directory), 20)
    assert_next_run_succeeds(alone, "generating the dataset")


def test_generate_after_an_interrupted_one_needs_no_drop(alone: Workplace) -> None:
    remove_dataset(alone)
    process = alone.start("zava", "validate", "--embedded", env=LARGER)
    wait_until(server_of(alone, process)["uri"], is_generating, process)
    process.kill()
    process.communicate()
    done = alone.zava("generate", "--embedded", env=LARGER)
    assert done.code == 0, done.err
    assert done.err == "an earlier run did not finish; its data is generated again\n"
    assert alone.zava("generate", "--embedded", env=LARGER).code == 2


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted_conform_stops_its_suites_first(alone: Workplace, sent: signal.Signals, code: int) -> None:
    """A terminal sends SIGINT on Ctrl-C to all processes that it started."""
    process = alone.start("zava", "conform", "--embedded", "--no-allure", env=LARGER, start_new_session=True)
    wait_until(server_of(alone, process)["uri"], is_validating, process)
    os.killpg(process.pid, sent)
    done = finish(process)
    assert (done.code, done.out) == (code, "")
    assert "Traceback" not in done.err
    assert eventually(lambda: not running(alone.directory), 20)


# Two at once


def test_concurrent_runs_generate_one_dataset(alone: Workplace) -> None:
    remove_dataset(alone)
    both = [alone.start("zava", "validate", "--embedded", "--only", "counts", env=LARGER) for _ in range(2)]
    done = [finish(process) for process in both]
    assert [each.code for each in done] == [0, 0], done
    assert sum("generating the dataset" in each.err for each in done) == 1


def test_generate_waits_for_a_run_that_reads_the_data(alone: Workplace) -> None:
    with dataset_lock(alone.directory, exclusive=False):
        process = alone.start("zava", "generate", "--embedded", "--drop", env=LARGER)
        assert process.stderr
        assert process.stderr.readline() == "another run reads the data: waiting\n"
    assert finish(process).code == 0


def test_scratch_database_of_a_killed_run_is_dropped(workplace: Workplace, generated: Done, mongo: Mongo) -> None:
    assert generated.code == 0
    with subprocess.Popen(["true"]) as gone:
        pass
    abandoned, in_use = f"zava_scratch_{gone.pid}_00c0de", f"zava_scratch_{os.getpid()}_00c0de"
    for name in (abandoned, in_use):
        mongo[name]["left"].insert_one({})
    assert workplace.zava("validate", "--embedded", "--only", "round_trip").code == 0
    left = [name for name in mongo.list_database_names() if "_scratch_" in name]
    mongo.drop_database(in_use)
    assert left == [in_use]


def test_processes_started_before_the_test_are_not_counted() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & read ended; kill $!"], stdin=subprocess.PIPE) as shell:
        assert eventually(lambda: len(left(set())) > 1)
        assert shell.pid in {each.pid for each in left(set())}
        assert left({each.pid for each in psutil.Process().children()}) == []


def test_no_process_is_left_running(alone: Workplace) -> None:
    assert running(alone.directory) == []
    children = psutil.Process().children(recursive=True)  # other tests may have theirs
    assert [child.name() for child in children if Path(child.cwd()).is_relative_to(alone.root)] == []
