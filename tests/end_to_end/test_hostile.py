"""Hostile environments: servers that die, hang or reject connections, full disks, and malformed data.

In each case: the right exit code, one clear line, no process left, and no damage that the next run does not repair.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import bson
import psutil  # type: ignore[import-untyped]
import pytest
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from conformance.embedded.locks import dataset_lock
from conformance.embedded.server import EmbeddedServer
from tests.commands import Done, Workplace, copy_of_the_model, finish, left, state
from tests.conformance.embedded.processes import ROOT, Process, eventually, running
from tests.validation import shipped_model

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
FIRST = next(iter(MODEL)).name
#: Enough that there is time to interfere, little enough to be made in a few seconds.
LARGER = {"NUM_ORDERS": "20000", "NUM_CUSTOMERS": "500"}
#: The collection that has the most documents.
LARGEST = next(c.name for c in MODEL if c.cardinality.get("setting") == "NUM_ORDERS")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A workplace whose server only the program starts and stops."""
    root = tmp_path_factory.mktemp("alone")
    return Workplace(copy_of_the_model(root / "model"), root / "cache")


@pytest.fixture(autouse=True)
def its_server_is_stopped(alone: Workplace) -> Iterator[None]:
    yield
    assert eventually(lambda: not running(alone.directory)), running(alone.directory)


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


# Users who may not


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that asks for a password, with a generated database."""
    with EmbeddedServer(tmp_path_factory.mktemp("guarded"), cache_gb=0.25, auth=True, linger=0.2) as server:
        yield server


@pytest.fixture(scope="module")
def shop(guarded: EmbeddedServer, workplace: Workplace) -> Mongo:
    """Return a client of the owner; the database zava is generated."""
    assert workplace.zava("generate", "--uri", guarded.uri).code == 0
    with MongoClient[dict[str, Any]](guarded.uri) as client:
        yield client


def user(shop: Mongo, guarded: EmbeddedServer, name: str, roles: list[Any]) -> str:
    """Create a user and return their connection string."""
    shop.admin.command("createUser", name, pwd="secret", roles=roles)
    return re.sub(r"//.*@", f"//{name}:secret@", guarded.uri)


def test_read_only_user_gets_a_verdict_and_writes_nothing(
    workplace: Workplace, shop: Mongo, guarded: EmbeddedServer
) -> None:
    uri = user(shop, guarded, "reader", [{"role": "read", "db": "zava"}])
    before = state(shop)
    done = workplace.zava("validate", "--uri", uri, "--format", "json")
    rules = json.loads(done.out)["rules"]
    assert (done.code, done.err) == (0, "")
    assert [rule["id"] for rule in rules if rule["status"] in ("failed", "error")] == []
    trips = [rule for rule in rules if rule["id"].endswith(".round_trip")]
    assert trips
    assert {(rule["status"], rule["reason"]) for rule in trips} == {
        ("skipped", "the rule writes to a scratch database; pass --allow-writes to run it")
    }
    for command in (["generate", "--drop", "--yes"], ["generate"]):
        refused = workplace.zava(
            *command, "--uri", uri, env={"MONGODB_DATABASE": "zava" if len(command) > 1 else "new"}
        )
        assert refused.code == 3
        assert "the user is not authorized in the database" in refused.line
        assert "writing needs readWrite and dbAdmin" in refused.line
    assert state(shop) == before


def test_user_without_scratch_database_gets_a_verdict_on_other_rules(
    workplace: Workplace, shop: Mongo, guarded: EmbeddedServer
) -> None:
    uri = user(shop, guarded, "optimist", [{"role": "readWrite", "db": "zava"}])
    before = state(shop)
    asked = ["--only", "counts", "--only", "round_trip"]
    done = workplace.zava("validate", "--uri", uri, "--allow-writes", "--format", "json", *asked)
    assert (done.code, done.err) == (3, "")
    results = {rule["id"]: (rule["status"], rule["reason"]) for rule in json.loads(done.out)["rules"]}
    assert {status for rule, (status, _) in results.items() if "round_trip" not in rule} == {"passed"}
    trips = [reason for rule, reason in results.items() if "round_trip" in rule]
    assert trips
    assert all(status == "error" and "the user is not authorized" in reason for status, reason in trips)
    assert state(shop) == before


def test_user_without_dbadmin_gets_one_error(workplace: Workplace, shop: Mongo, guarded: EmbeddedServer) -> None:
    uri = user(shop, guarded, "writer", [{"role": "readWrite", "db": "zava"}])
    shop["zava"].command("collMod", FIRST, validationLevel="moderate")
    done = workplace.zava("provision", "--uri", uri)
    assert done.code == 3
    assert f"zava.{FIRST}: the user may not set the validator" in done.line
    assert "dbAdmin" in done.line
    assert workplace.zava("provision", "--uri", guarded.uri).code == 0


# Servers that are of no use


def test_hanging_connection_times_out(workplace: Workplace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        done = workplace.zava("validate", "--uri", f"mongodb://127.0.0.1:{silent.getsockname()[1]}/")
    assert done.code == 3
    assert "no server answers at" in done.line
    # 5 s for the selection of a server, 2 s for each step towards the cause, and a busy machine.
    assert time.monotonic() - started < 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_is_reported(alone: Workplace, small_disk: Path) -> None:
    cramped = Workplace(alone.root, small_disk)
    done = cramped.run("zava", "generate", "--embedded", env={"NUM_ORDERS": "150000", "NUM_CUSTOMERS": "1000"})
    assert done.code == 3
    assert "No space left on device" in done.line
    assert "ZAVA_CACHE_DIR" in done.line
    assert eventually(lambda: not running(cramped.directory))


# Hostile data


def hostile_documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Return hostile documents that a server accepts."""
    yield "16 MB", {"text": "x" * (16 * 1024 * 1024 - 1000)}
    yield "names", {"a.b": 1, "$c": {"$d": 1, "e.f": [{"$g": 1}]}, "\u00fcn\u00ef\u202e\n": 1, "": 1}
    yield "10,000 fields", {f"field_{number}": number for number in range(10_000)}
    yield "dates", {"late": DatetimeMS(2**62), "early": DatetimeMS(-(2**62))}
    deep: dict[str, Any] = {}
    for _ in range(90):
        deep = {"deep": deep}
    yield "depth", deep
    for value in (
        bson.MinKey(),
        bson.Code("x", {"a": 1}),
        bson.Regex("a("),
        bson.Decimal128("NaN"),
        float("nan"),
        None,
    ):
        yield f"field {value!r}", {"odd": value}


def test_hostile_documents_are_findings_and_never_errors(
    workplace: Workplace, mongo: Mongo, copied: str, uri: str
) -> None:
    database = mongo[copied]
    planted: dict[str, int] = {}
    for collection in MODEL:
        database.command("collMod", collection.name, validationLevel="off")
        unique = {path for index in collection.indexes if index.unique for path, _ in index.keys}
        whole = database[collection.name].find_one() or {}
        bodies = list(hostile_documents())[collection.name != LARGEST :]  # one of 16 MB is enough
        bodies += [(f"{name}: late", {**whole, name: DatetimeMS(2**62)}) for name in whole if name != "_id"]
        bodies += [(f"{name}: list", {**whole, name: [{"$x": 1}]}) for name in whole if name != "_id"]
        for id_, body in bodies:
            identity = dict.fromkeys(unique, id_)
            known = id_.partition(":")[0]
            database[collection.name].insert_one(
                {**body, **identity, **({known: body[known]} if known in body else {}), "_id": id_}
            )
        text = bytearray(bson.encode({"_id": "UTF-8", **dict.fromkeys(unique, "UTF-8"), "text": "????"}))
        text[-6:-4] = b"\xff\xfe"
        database[collection.name].insert_one(RawBSONDocument(bytes(text)))
        database[collection.name].insert_one({**dict.fromkeys(unique, "when"), "_id": DatetimeMS(2**62)})
        planted[collection.name] = len(bodies) + 2
    env = {"MONGODB_DATABASE": copied}
    done = workplace.zava("validate", "--uri", uri, "--allow-writes", "--format", "json", env=env)
    assert (done.code, done.err) == (1, "")
    rules = {rule["id"]: rule for rule in json.loads(done.out)["rules"]}
    assert [rule["id"] for rule in rules.values() if rule["status"] == "error"] == []
    for name, number in planted.items():
        surplus = [rule for rule in rules.values() if rule["family"] == "documents" and rule["collection"] == name]
        assert max(rule["violations"] for rule in surplus) >= number - len(MODEL[name].fields) * 2
    (workplace.root / "tests").mkdir(exist_ok=True)
    shutil.copy(ROOT / "tests" / "relevance.yaml", workplace.root / "tests")
    junit = workplace.root / "hostile" / "junit.xml"
    flags = ("-k", "test_rule or test_meaning", "--reports", str(junit.parent), f"--junitxml={junit}")
    suites = workplace.suites("--uri", uri, "--allow-writes", *flags, env=env)
    assert suites.code == 1
    assert "INTERNALERROR" not in suites.out
    cases = list(ElementTree.parse(junit).iter("testcase"))  # noqa: S314 - our own file
    outcomes = {case.attrib["name"]: {part.tag for part in case} & {"failure", "error", "skipped"} for case in cases}
    others = {name: outcome for name, outcome in outcomes.items() if not name.startswith("test_rule[")}
    assert others == {
        "test_semantic_search_has_higher_recall_than_text_search": {"skipped"}
    }  # findings of the rules are not errors of the search
    assert {"failure"} in outcomes.values()
    assert {"error"} not in outcomes.values()


def test_processes_started_before_the_test_are_not_counted() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & read ended; kill $!"], stdin=subprocess.PIPE) as shell:
        assert eventually(lambda: len(left(set())) > 1)
        assert shell.pid in {each.pid for each in left(set())}
        assert left({each.pid for each in psutil.Process().children()}) == []


def test_no_process_is_left_running(alone: Workplace) -> None:
    assert running(alone.directory) == []
    children = psutil.Process().children(recursive=True)  # other tests may have theirs
    assert [child.name() for child in children if Path(child.cwd()).is_relative_to(alone.root)] == []
