"""zava export: imported data equals the exported data byte for byte, and folders that are rejected."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent, CommandSucceededEvent

from conformance.errors import ConfigurationError
from conformance.results import TargetInfo
from conformance.server.provision import plan
from conformance.server.target import Target
from generator.archive import transfer
from generator.archive.archive import MANIFEST, new_archive
from tests.commands import Workplace, state
from tests.generator.archive.exports import FIRST, MODEL, raw, run

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]


LAYOUTS = [[], ["--gzip"], ["--as", "bson"], ["--as", "bson", "--gzip"]]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# There and back


@pytest.mark.parametrize("layout", LAYOUTS, ids=" ".join)
def test_dataset_is_imported_byte_for_byte(
    workplace: Workplace, small: str, mongo: Mongo, uri: str, name: str, tmp_path: Path, layout: list[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    exported = run(workplace, uri, small, "export", str(first), "--json", *layout)
    assert exported.code == 0, exported.err
    imported = run(workplace, uri, name, "import", str(first), "--json")
    assert imported.code == 0, imported.err
    assert json.loads(exported.out)["counts"] == json.loads(imported.out)["counts"] == state(mongo)[small]
    assert raw(mongo, name) == raw(mongo, small)
    assert plan(MODEL, mongo[name]) == []  # provisioned too
    assert run(workplace, uri, name, "export", str(second), *layout).code == 0
    once, again = files(first), files(second)
    manifests = [json.loads(folder.pop(MANIFEST)) for folder in (once, again)]
    assert again == once
    assert [manifest.pop("database") for manifest in manifests] == [small, name]
    assert manifests[0] == manifests[1]


def test_manifest_lists_count_and_hash_of_every_file(exported: Path, small: str, mongo: Mongo) -> None:
    manifest = json.loads((exported / MANIFEST).read_text(encoding="utf-8"))
    entries = {entry["collection"]: entry for entry in manifest["collections"]}
    assert {n: entry["documents"] for n, entry in entries.items()} == state(mongo)[small]
    assert {path.name for path in exported.iterdir()} == {MANIFEST, *(f"{name}.jsonl" for name in entries)}
    for name, entry in entries.items():
        content = (exported / f"{name}.jsonl").read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert len(content.splitlines()) == entry["documents"]


def test_bson_export_is_readable_by_other_tools(
    workplace: Workplace, small: str, mongo: Mongo, uri: str, tmp_path: Path
) -> None:
    run(workplace, uri, small, "export", str(tmp_path / "out"), "--as", "bson")
    found = bson.decode_all((tmp_path / "out" / f"{FIRST}.bson").read_bytes())
    assert found == list(mongo[small][FIRST].find().sort("_id", 1))


#: One of each type, and the values that are easily lost.
KINDS: Mapping[str, Any] = {
    "int32": 5,
    "int64": bson.Int64(5),
    "large": 2**62,
    "double": 5.0,
    "tenth": 0.1,
    "negative zero": -0.0,
    "infinity": float("-inf"),
    "not a number": float("nan"),
    "decimal": bson.Decimal128("1.10"),
    "date": dt.datetime(2024, 2, 29, 1, 2, 3, 4000),
    "far date": bson.DatetimeMS(2**62),
    "timestamp": bson.Timestamp(4, 13),
    "binary": bson.Binary(b"\x00\xff", 5),
    "uuid": bson.Binary(b"0123456789abcdef", 4),
    "pattern": bson.Regex("^a.*", "im"),
    "code": bson.Code("f()", {"x": 1}),
    "keys": {"b": 1, "a": 2, "": 3, "x.y": 4},
    "lowest": bson.MinKey(),
    "highest": bson.MaxKey(),
    "text": 'quote " back \\ line\n\u2028 \U0001f511 \x00',
    "null": None,
    "list": [1, [2, {"three": 3}]],
    "objectid": bson.ObjectId("0123456789abcdef01234567"),
}


@pytest.mark.parametrize("layout", [[], ["--as", "bson"]], ids=" ".join)
def test_every_bson_type_survives_export_and_import(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, tmp_path: Path, layout: list[str]
) -> None:
    mongo[name][FIRST].insert_many([{"_id": kind, "value": value} for kind, value in KINDS.items()])
    mongo[name][FIRST].insert_many([{"_id": value} for value in (5.5, bson.ObjectId(), {"a": [1]}, b"\x00")])
    before = raw(mongo, name)
    assert run(workplace, uri, name, "export", str(tmp_path / "out"), *layout).code == 0
    refused = run(workplace, uri, name, "import", str(tmp_path / "out"), "--drop", "--yes")
    assert refused.code == 2
    assert "does not meet its schema" in refused.line
    mongo.drop_database(name)
    done = run(workplace, uri, name, "import", str(tmp_path / "out"), "--no-validate")
    assert done.code == 0, done.err
    assert raw(mongo, name) == before
    assert mongo[name].command("listCollections")["cursor"]["firstBatch"][0]["options"] == {}  # nothing provisioned


def broken_text() -> RawBSONDocument:
    text = bytearray(bson.encode({"_id": 1, "text": "????"}))
    text[-6:-4] = b"\xff\xfe"
    return RawBSONDocument(bytes(text))


LOSSY: Mapping[str, Any] = {
    "text that is not UTF-8": broken_text(),
    "a key that looks like a type": {"_id": 1, "value": {"$numberInt": "5"}},
    "a key twice": RawBSONDocument(bson.encode({"_id": 1, "a": 1, "b": 2}).replace(b"\x10b\x00", b"\x10a\x00")),
}


@pytest.mark.parametrize("kind", LOSSY)
def test_value_without_a_json_form_is_rejected_in_json_and_accepted_in_bson(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, tmp_path: Path, kind: str
) -> None:
    mongo[name][FIRST].insert_one(LOSSY[kind])
    done = run(workplace, uri, name, "export", str(tmp_path / "out"))
    assert done.code == 2
    assert f"{FIRST}: the document with _id 1 " in done.line
    assert "--as bson" in done.line
    assert list(tmp_path.iterdir()) == []
    assert run(workplace, uri, name, "export", str(tmp_path / "out"), "--as", "bson").code == 0
    before = raw(mongo, name)
    mongo.drop_database(name)
    assert run(workplace, uri, name, "import", str(tmp_path / "out"), "--no-validate").code == 0
    assert raw(mongo, name) == before


def test_export_is_a_snapshot(mongo: Mongo, uri: str, name: str, tmp_path: Path) -> None:
    """A child and its parent written after the export of parents started are not in it."""
    database = mongo[name]
    for collection in MODEL:
        database[collection.name].insert_one({"_id": 0})
    target = Target(mongo, database, TargetInfo(uri, name, "", False))

    def meanwhile(done: str, _: int) -> None:
        if done == FIRST:
            for collection in MODEL:
                database[collection.name].insert_one({"_id": 1})

    assert set(transfer.export(MODEL, target, tmp_path / "out", progress=meanwhile).values()) == {1}
    assert database[FIRST].count_documents({}) == 2


def test_foreign_collections_are_excluded_and_reported(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, tmp_path: Path
) -> None:
    mongo[name][FIRST].insert_one({"_id": 1})
    mongo[name]["notes"].insert_one({"_id": 1})
    done = run(workplace, uri, name, "export", str(tmp_path / "out"))
    assert done.code == 0
    assert done.err == "left out, for the model does not define them: notes\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {MANIFEST, f"{FIRST}.jsonl"}


# Folders into which no export can be written


def test_non_empty_folder_is_rejected(workplace: Workplace, small: str, uri: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run(workplace, uri, small, "export", str(tmp_path / "out")).code == 0  # an empty one will do
    before = files(tmp_path / "out")
    for place in (tmp_path / "out", tmp_path / "out" / MANIFEST):
        done = run(workplace, uri, small, "export", str(place))
        assert done.code == 2
        assert "empty or new" in done.line
    assert files(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_empty_database_is_not_exported(workplace: Workplace, uri: str, name: str, tmp_path: Path) -> None:
    done = run(workplace, uri, name, "export", str(tmp_path / "out"))
    assert done.code == 3
    assert "is empty" in done.line
    assert list(tmp_path.iterdir()) == []


def test_second_export_into_the_same_folder_is_rejected(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="cannot be written"),
        new_archive(tmp_path / "out", MODEL, "shop", "json", compressed=False) as writer,
    ):
        writer.add(FIRST, [RawBSONDocument(bson.encode({"_id": 1}))])
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "first").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "first"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("layout", LAYOUTS, ids=" ".join)
def test_full_disk_leaves_no_files(
    workplace: Workplace, small: str, uri: str, small_disk: Path, layout: list[str]
) -> None:
    done = run(workplace, uri, small, "export", str(small_disk / "out"), *layout)
    assert done.code == 2
    assert "No space left on device" in done.line
    assert list(small_disk.iterdir()) == []


class Stop(CommandListener):
    """Send the process a signal after the query for a collection's documents."""

    def __init__(self, collection: str, act: Callable[[], None]) -> None:
        self._collection = collection
        self._act = act

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get("find") == self._collection:
            self._act()

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: Any) -> None: ...


def test_interrupted_export_leaves_no_files(uri: str, small: str, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def leave() -> None:
        seen.append([path.name for path in tmp_path.iterdir()])
        raise SystemExit(130)

    last = list(MODEL)[-1].name
    with MongoClient[dict[str, Any]](uri, event_listeners=[Stop(last, leave)]) as client:
        target = Target(client, client[small], TargetInfo(uri, small, "", False))
        with pytest.raises(SystemExit):
            transfer.export(MODEL, target, tmp_path / "out")
    assert len(seen) == 1
    assert seen[0][0].endswith(".partial")
    assert list(tmp_path.iterdir()) == []
