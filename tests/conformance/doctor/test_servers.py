"""zava doctor on servers: standalone, with few privileges, short of time, killed, or without a model."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.checks import round_trip
from conformance.doctor import doctor
from conformance.doctor import server as doctor_server
from conformance.embedded.server import EmbeddedServer
from conformance.rules.server import server_settings
from tests.commands import Workplace, copy_of_the_model
from tests.conformance.doctor.steps import OF_THE_SERVER, WELL, create_collection, examine, quick, steps
from tests.conformance.embedded.processes import standalone

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["quick"]


Mongo = MongoClient[dict[str, Any]]


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
