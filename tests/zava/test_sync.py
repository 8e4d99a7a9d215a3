"""zava sync and trigger-initial-sync, as a user runs them."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from bson import Binary
from pymongo import MongoClient

from conformance.ditto.connector import CONNECTOR_FILE, load_connector
from conformance.embedded.server import EmbeddedServer
from conformance.server.provision import apply, plan
from edge.store.sdk import unavailable
from edge.store.store import Store
from tests.commands import Done, Workplace, copy_of_the_model
from tests.models import shipped_model

pytestmark = [pytest.mark.server, pytest.mark.ditto]

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
#: Names in the order in which they are copied.
SYNCED = [each.name for each in MODEL if each.name in load_connector(MODEL).mappings]
EXCLUDED = next(each.name for each in MODEL if not each.synced)
KEYS = {"categories": "category_id", "products": "product_id"}


@pytest.fixture(autouse=True)
def available() -> None:
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def shop(mongo: Mongo, name: str) -> str:
    """A provisioned database with some documents, one of them in the collection that does not sync."""
    database = mongo[name]
    apply(plan(MODEL, database), database)
    for collection, key in KEYS.items():
        rows = [{"_id": f"{key} {each}", key: f"{key} {each}", "sku": str(each), "n": each} for each in range(3)]
        database[collection].insert_many(rows, bypass_document_validation=True)
    database[EXCLUDED].insert_one({"_id": "e"}, bypass_document_validation=True)
    database["notes"].insert_one({"_id": "somebody else's"})
    return name


@pytest.fixture
def run(workplace: Workplace, uri: str, shop: str, tmp_path: Path) -> Any:
    """Run a command on the shop, with a store and a state of the test's own."""

    def run(*arguments: str) -> Done:
        places = ("--store", str(tmp_path / "store"), "--state", str(tmp_path / "state"))
        return workplace.zava(*arguments, "--uri", uri, *places, env={"MONGODB_DATABASE": shop})

    return run


def held(tmp_path: Path, collection: str) -> dict[str, Any]:
    with Store.open(tmp_path / "store") as store:
        return {each["_id"]: each for each in store.execute(f"SELECT * FROM {collection}")}  # noqa: S608


def test_sync_once_copies_all_documents_and_exits(run: Any, tmp_path: Path, shop: str) -> None:
    done = run("sync", "--once", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["collections"] == {**dict.fromkeys(SYNCED, 0), **dict.fromkeys(KEYS, 3)}
    assert result["bridge"]["documents"] == {"copied": 6, "to Ditto": 6, "conflicts": 0}
    assert re.fullmatch(rf"{shop} on 127\.0\.0\.1:\d+", result["bridge"]["source"])
    assert result["unsynced"] == []
    assert held(tmp_path, EXCLUDED) == held(tmp_path, "notes") == {}
    again = run("sync", "--once")
    assert again.code == 0
    assert re.search(r"^categories +3$", again.out, re.MULTILINE)
    assert re.search(r"^to Ditto +0$", again.out, re.MULTILINE)


def test_edit_by_a_device_reaches_mongodb(run: Any, mongo: Mongo, tmp_path: Path, shop: str) -> None:
    assert run("sync", "--once").code == 0
    with Store.open(tmp_path / "store") as store:
        store.mutate("UPDATE products SET n = 9 WHERE _id = 'product_id 1'")
    done = run("sync", "--once", "--json")
    # The validator requires more fields of a product; the edit is kept with the reason, which is a finding.
    assert done.code == 1
    (unsynced,) = json.loads(done.out)["unsynced"]
    assert unsynced["collection"] == "products"
    assert unsynced["direction"] == "to MongoDB"
    assert "MongoDB's validator rejects it" in unsynced["reason"]
    mongo[shop].command("collMod", "products", validator={})
    done = run("sync", "--once", "--json")
    assert (done.code, json.loads(done.out)["unsynced"]) == (1, [unsynced])  # nothing changed, so no second attempt
    with Store.open(tmp_path / "store") as store:
        store.mutate("UPDATE products SET n = 10 WHERE _id = 'product_id 1'")
    assert run("sync", "--once").code == 0
    assert mongo[shop]["products"].find_one({"_id": "product_id 1"})["n"] == 10


def test_dropped_collection_is_synced_only_with_consent(run: Any, mongo: Mongo, tmp_path: Path, shop: str) -> None:
    assert run("sync", "--once").code == 0
    mongo[shop]["products"].drop()
    for _ in range(2):
        done = run("sync", "--once", "--json")
        assert done.code == 1
        assert json.loads(done.out)["held"] == [{"collection": "products", "documents": 3, "kept_in": "the store"}]
        assert "products: 3 of 3 documents are gone in MongoDB (the collection was dropped or renamed)" in done.err
        assert "--accept-drop" in done.err
    assert len(held(tmp_path, "products")) == 3
    done = run("sync", "--once", "--accept-drop", "--json")
    assert (done.code, json.loads(done.out)["held"]) == (0, [])
    assert held(tmp_path, "products") == {}
    assert len(held(tmp_path, "categories")) == 3


def test_damaged_state_is_rebuilt(run: Any, tmp_path: Path) -> None:
    assert run("sync", "--once").code == 0
    for each in (tmp_path / "state").glob("bridge.sqlite3*"):
        each.write_bytes(b"spoilt" * 1000)
    done = run("sync", "--once")
    assert done.code == 3
    assert re.fullmatch(
        r"zava: .*bridge\.sqlite3: the bridge's state is damaged \(.+\); run again with --new-state .*", done.line
    )
    done = run("sync", "--once", "--new-state", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["bridge"]["documents"]["copied"] == 6
    assert run("sync", "--once").code == 0


def test_value_that_cannot_sync_is_reported(run: Any, mongo: Mongo, shop: str) -> None:
    edit = {"$set": {"blob": Binary(b"x")}}
    mongo[shop]["products"].update_many({}, edit, bypass_document_validation=True)
    done = run("sync", "--once")
    assert done.code == 1
    lines = [line for line in done.err.splitlines() if line.startswith("unsynced to Ditto: products")]
    assert len(lines) == 3
    assert lines[0].endswith("blob: the BSON type binData does not sync")


def test_initial_sync_of_one_collection_changes_no_other(run: Any, mongo: Mongo, shop: str) -> None:
    assert run("sync", "--once").code == 0
    before = {name: list(mongo[shop][name].find()) for name in sorted(mongo[shop].list_collection_names())}
    done = run("trigger-initial-sync", "--collection", "products", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["bridge"]["documents"] == {"copied": 3, "to Ditto": 0, "conflicts": 0}
    assert {name: list(mongo[shop][name].find()) for name in sorted(mongo[shop].list_collection_names())} == before
    wrong = run("trigger-initial-sync", "--collection", EXCLUDED)
    assert wrong.code == 2
    assert wrong.line == f"zava: {EXCLUDED} does not sync; name one of {', '.join(SYNCED)}"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_signal_ends_sync_with_a_result(workplace: Workplace, uri: str, shop: str, tmp_path: Path, number: int) -> None:
    command = ("zava", "sync", "--uri", uri, "--store", str(tmp_path / "store"), "--json")
    process = workplace.start(*command, env={"MONGODB_DATABASE": shop})
    assert process.stderr is not None
    assert process.stderr.readline() == "in sync; following changes on both sides\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, f"zava: {signal.Signals(number).name}: stopping\n")
    assert json.loads(out)["collections"]["products"] == 3
    assert (tmp_path / "store.state").is_dir()


def test_state_of_another_database_is_rejected(
    run: Any, workplace: Workplace, uri: str, tmp_path: Path, shop: str
) -> None:
    assert run("sync", "--once").code == 0
    places = ("--store", str(tmp_path / "store"), "--state", str(tmp_path / "state"))
    done = workplace.zava("sync", "--once", "--uri", uri, *places, env={"MONGODB_DATABASE": "elsewhere"})
    assert done.code == 2
    assert re.fullmatch(
        rf"zava: .* belongs to {shop} on .*, not to elsewhere on .*; use another directory .*", done.line
    )


def test_invalid_connector_configuration_is_rejected(workplace: Workplace, tmp_path: Path) -> None:
    """The error names the file, the line and the fix, and comes before any connection."""
    file = copy_of_the_model(tmp_path / "model") / "config" / CONNECTOR_FILE
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("field: order_id", "field: _id"), encoding="utf-8")
    line = text.partition("field: order_id")[0].count("\n") + 1
    done = workplace.zava("sync", "--once", "--uri", "mongodb://127.0.0.1:1/", folder=tmp_path / "model")
    assert done.code == 2
    assert done.line.startswith(f"zava: {file}:{line}: at collections.7.id_mapping: '_id' can be used by match_ids")


def test_standalone_server_is_rejected(workplace: Workplace, tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "server", cache_gb=0.25, replica_set=False, linger=0.2) as server:
        done = workplace.zava("sync", "--once", "--uri", server.uri, "--store", str(tmp_path / "store"))
    assert done.code == 3
    assert "is a standalone server, which has no change streams" in done.line
