"""zava import into a database that is not empty, after an interruption, and twice at the same time."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from conformance.server.provision import plan
from generator.archive import transfer
from tests.commands import Workplace, finish, state
from tests.generator.archive.exports import FIRST, MODEL, raw, run

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]


# Into a database that is not empty, and again


def test_database_with_data_is_rejected_unless_drop_is_confirmed(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, exported: Path
) -> None:
    mongo[name][FIRST].insert_one({"_id": "old"})
    before = state(mongo)[name]
    refused = run(workplace, uri, name, "import", str(exported))
    assert refused.code == 2
    assert "pass --drop" in refused.line
    assert run(workplace, uri, name, "import", str(exported), "--drop", stdin="wrong\n").code == 2
    assert state(mongo)[name] == before
    assert run(workplace, uri, name, "import", str(exported), "--drop", stdin=f"{name}\n").code == 0
    assert raw(mongo, name) == raw(mongo, "small")


def test_interrupted_import_is_resumed(workplace: Workplace, mongo: Mongo, uri: str, name: str, exported: Path) -> None:
    assert run(workplace, uri, name, "import", str(exported)).code == 0
    whole = raw(mongo, name)
    mongo[name]["orders"].delete_many({"store_id": "store_online"})
    mongo[name].drop_collection("order_items")
    missing = len(whole["orders"]) - mongo[name]["orders"].count_documents({})
    done = run(workplace, uri, name, "import", str(exported), "--json")
    assert done.code == 0
    assert "only what is missing is written" in done.err
    assert json.loads(done.out)["counts"] == {"orders": missing, "order_items": len(whole["order_items"])}
    assert raw(mongo, name) == whole
    assert plan(MODEL, mongo[name]) == []
    again = run(workplace, uri, name, "import", str(exported), "--json")
    assert (again.code, json.loads(again.out)["counts"]) == (0, {})
    mongo[name]["orders"].update_one({}, {"$set": {"status": "pending", "updated_at": "2027-01-01T00:00:00Z"}})
    assert run(workplace, uri, name, "import", str(exported)).code == 2  # changed data is not overwritten


#: The program, which sends itself a signal when some batches of documents have been written.
SIGNALLED = """
import os, signal, sys, time
from zava.terminal import console
from zava.main import main

written = 0

def patched(self, name, by):
    global written
    written += by if name == "orders" else 0
    if written == 700:
        os.kill(os.getpid(), int(os.environ["SIGNAL"]))
        time.sleep(0.5)  # in which the process hears of it: nothing more is written meanwhile

console.Lines.__call__ = patched
sys.argv[0] = "zava"
main()
"""


@pytest.mark.parametrize(
    ("sent", "code", "layout"),
    [
        (signal.SIGKILL, -9, []),
        (signal.SIGKILL, -9, ["--as", "bson"]),
        (signal.SIGINT, 130, []),
        (signal.SIGTERM, 143, ["--gzip"]),
    ],
)
def test_killed_import_is_completed_by_the_next_run(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, tmp_path: Path, sent: int, code: int, layout: list[str]
) -> None:
    """The signal arrives while documents are written; after the next run each document exists once."""
    documents = [{"_id": bson.ObjectId(), "n": number} for number in range(2_500)]
    mongo[name]["orders"].insert_many(documents)
    assert run(workplace, uri, name, "export", str(tmp_path / "out"), *layout).code == 0
    mongo.drop_database(name)
    command = ("import", str(tmp_path / "out"), "--no-validate")
    env = {"MONGODB_DATABASE": name, "BATCH_SIZE": "100", "SIGNAL": str(int(sent))}
    ended = finish(workplace.start("python", "-c", SIGNALLED, *command, "--uri", uri, env=env))
    there = mongo[name]["orders"].count_documents({})
    assert (ended.code, ended.out) == (code, "")
    assert ended.err == ("zava: interrupted\n" if sent == signal.SIGINT else "")
    assert 700 <= there < len(documents)
    done = run(workplace, uri, name, *command, "--json")
    assert done.code == 0, done.err
    late = len(documents) - there - json.loads(done.out)["counts"]["orders"]
    # Inserts in flight during a kill may arrive after the count; a process that exits normally waits for them.
    assert late in ((0, 100) if sent == signal.SIGKILL else (0,))
    assert list(mongo[name]["orders"].find().sort("n", 1)) == documents


def test_import_started_concurrently_is_resumed(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may start between any two queries."""
    make_room = transfer.dataset.make_room

    def begun(*given: Any, **named: Any) -> None:
        mongo[name]["orders"].insert_many(mongo["small"]["orders"].find().limit(3))
        make_room(*given, **named)

    monkeypatch.setattr(transfer.dataset, "make_room", begun)
    done = run(workplace, uri, name, "import", str(exported))
    assert done.code == 0, done.err
    assert "only what is missing is written" in done.err
    assert raw(mongo, name) == raw(mongo, "small")


def test_concurrent_imports_write_no_duplicates(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, exported: Path
) -> None:
    command = ("zava", "import", str(exported), "--uri", uri)
    both = [finish(p) for p in [workplace.start(*command, env={"MONGODB_DATABASE": name}) for _ in range(2)]]
    assert {done.code for done in both} <= {0, 3}, both
    assert all(sum(line.startswith("zava: ") for line in done.err.splitlines()) == (done.code != 0) for done in both), (
        both
    )
    assert not any("Traceback" in done.err for done in both)
    assert run(workplace, uri, name, "import", str(exported)).code == 0
    assert raw(mongo, name) == raw(mongo, "small")


def test_data_imported_into_the_embedded_server_is_validated_unchanged(
    workplace: Workplace, mongo: Mongo, exported: Path
) -> None:
    env = {"MONGODB_DATABASE": "imported"}
    assert workplace.zava("import", str(exported), "--embedded", env=env).code == 0
    mongo["imported"]["orders"].delete_one({})
    validated = workplace.zava("validate", "--embedded", "--only", "counts.orders", env={**env, "SEED": "1"})
    assert validated.code == 1
    assert "the data was imported and is validated unchanged" in validated.err
    assert workplace.zava("generate", "--embedded", env=env).code == 2
    mongo.drop_database("imported")
