"""Users without privileges, servers that hang, full disks and hostile data: an exit code and one clear line."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer
from tests.commands import Workplace, state
from tests.conformance.embedded.processes import ROOT, eventually, running
from tests.end_to_end.alone import LARGEST, alone, its_server_is_stopped
from tests.models import shipped_model

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["alone", "its_server_is_stopped"]


Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
FIRST = next(iter(MODEL)).name


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
