"""zava export and import: imported data equals the exported data byte for byte, or nothing is imported."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import shutil
import signal
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent, CommandSucceededEvent

from conformance.embedded.server import EmbeddedServer
from conformance.errors import ConfigurationError
from conformance.results import TargetInfo
from conformance.server.dry_run import misfit
from conformance.server.provision import plan
from conformance.server.target import Target
from generator.archive import transfer
from generator.archive.archive import MANIFEST, RAW, new_archive, open_archive
from tests.commands import Done, Workplace, finish, state
from tests.validation import shipped_model

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
FIRST = next(iter(MODEL)).name
LAYOUTS = [[], ["--gzip"], ["--as", "bson"], ["--as", "bson", "--gzip"]]


def run(workplace: Workplace, uri: str, name: str, *arguments: str, stdin: str = "") -> Done:
    return workplace.zava(*arguments, "--uri", uri, env={"MONGODB_DATABASE": name}, stdin=stdin)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def raw(mongo: Mongo, name: str) -> dict[str, list[bytes]]:
    """Return the bytes of every document of a database, by collection."""
    database = mongo[name].with_options(codec_options=RAW)
    held = {c: [bytes(d.raw) for d in database[c].find().sort("_id", 1)] for c in database.list_collection_names()}
    return {collection: documents for collection, documents in held.items() if documents}


@pytest.fixture(scope="module")
def small(generated: Done, mongo: Mongo) -> Iterator[str]:
    """Return the name of a database with the generated dataset, without most vectors, which take the most time."""
    assert generated.code == 0
    for collection in MODEL:
        few = [{"$limit": 5}] if any(field.kind == "vector" for field in collection.fields) else []
        out = {"$out": {"db": "small", "coll": collection.name}}
        mongo["zava"][collection.name].aggregate([{"$sort": {"_id": 1}}, *few, out])
    yield "small"
    mongo.drop_database("small")


@pytest.fixture(scope="module")
def exported(workplace: Workplace, small: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export this database into a folder."""
    folder = tmp_path_factory.mktemp("exports") / "small"
    with EmbeddedServer(workplace.directory, cache_gb=0.25) as server:
        done = run(workplace, server.uri, small, "export", str(folder))
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def archive(exported: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder, which tests damage."""
    return shutil.copytree(exported, tmp_path / "archive")


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


# Archives that are not imported


def rewritten(archive: Path, file: str, edit: Callable[[bytes], bytes]) -> None:
    """Return an edit of a file that also updates its hash in the manifest."""
    content = edit((archive / file).read_bytes())
    (archive / file).write_bytes(content)
    manifest = json.loads((archive / MANIFEST).read_text(encoding="utf-8"))
    entry = next(entry for entry in manifest["collections"] if file.startswith(f"{entry['collection']}."))
    entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (archive / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def changed(archive: Path, file: str, edit: Callable[[bytes], bytes]) -> None:
    (archive / file).write_bytes(edit((archive / file).read_bytes()))


def manifest_edited(archive: Path, **changes: Any) -> None:
    """Return an edit of the manifest."""
    manifest = json.loads((archive / MANIFEST).read_text(encoding="utf-8"))
    (archive / MANIFEST).write_text(json.dumps({**manifest, **changes}), encoding="utf-8")


def entries(archive: Path, **changes: Any) -> None:
    """Return an edit of the manifest's first entry."""
    manifest = json.loads((archive / MANIFEST).read_text(encoding="utf-8"))
    manifest["collections"][0] |= changes
    manifest_edited(archive, collections=manifest["collections"])


ORDERS = "orders.jsonl"
DAMAGE: Mapping[str, tuple[Callable[[Path], Any], str]] = {
    "no manifest": (lambda a: (a / MANIFEST).unlink(), "not a finished export"),
    "manifest cut short": (lambda a: changed(a, MANIFEST, lambda b: b[:-20]), "not valid JSON"),
    "manifest of a later version": (lambda a: manifest_edited(a, schema_version=2), "schema_version"),
    "manifest with an unknown key": (lambda a: manifest_edited(a, surplus=1), "surplus"),
    "collection the model has not": (lambda a: entries(a, collection="notes"), "no collection notes"),
    "a path in place of a name": (lambda a: entries(a, collection="../secrets"), "collection"),
    "a collection twice": (lambda a: entries(a, collection="orders"), "twice"),
    "file gone": (lambda a: (a / ORDERS).unlink(), "No such file"),
    "file cut short": (lambda a: changed(a, ORDERS, lambda b: b[:-1]), "as in the manifest"),
    "one byte changed": (lambda a: changed(a, ORDERS, lambda b: b.replace(b"a", b"b", 1)), "SHA-256"),
    "a document less": (lambda a: rewritten(a, ORDERS, lambda b: b[b.index(b"\n") + 1 :]), "199 documents"),
    "a document more": (
        lambda a: rewritten(a, ORDERS, lambda b: b + b[: b.index(b"\n") + 1]),
        "more than 200 documents",
    ),
    "no JSON": (lambda a: rewritten(a, ORDERS, lambda b: b.replace(b"{", b"[", 1)), "document 1 cannot be read"),
    "no object": (lambda a: rewritten(a, ORDERS, lambda b: b"[]" + b[b.index(b"\n") :]), "it is not an object"),
    "no _id": (lambda a: rewritten(a, ORDERS, lambda b: b.replace(b"_id", b"_ID", 1)), "it has no _id"),
    "no such date": (
        lambda a: rewritten(a, ORDERS, lambda b: b.replace(b"{", b'{"d":{"$date":"x"},', 1)),
        "document 1 cannot be read",
    ),
    "nested beyond measure": (
        lambda a: rewritten(a, ORDERS, lambda b: b'{"_id":' + b"[" * 100_000 + b[b.index(b"\n") :]),
        "document 1 cannot be read",
    ),
    "a manifest of brackets": (lambda a: (a / MANIFEST).write_text("[" * 200_000), "nested more than 100 deep"),
    "a manifest of keys": (lambda a: (a / MANIFEST).write_text('{"a":' * 200_000), "nested more than 100 deep"),
    "a manifest of whole brackets": (
        lambda a: (a / MANIFEST).write_text("[" * 150 + "]" * 150),
        "nested more than 100 deep",
    ),
    "a document that breaks its schema": (
        lambda a: rewritten(a, ORDERS, lambda b: b.replace(b'"completed"', b'"done"', 1)),
        'status "done" is not one of',
    ),
}


def rejection(mongo: Mongo, archive: Path, *, validate: bool = True) -> str:
    """Return the error line for an archive, and assert that nothing was written."""
    before = state(mongo)
    target = Target(mongo, mongo["nowhere"], TargetInfo("", "nowhere", "", False))
    with pytest.raises(ConfigurationError) as refused:
        transfer.verify(MODEL, target, open_archive(archive, MODEL), validate=validate)
    assert state(mongo) == before
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_export_is_rejected_before_writing(mongo: Mongo, archive: Path, damage: str) -> None:
    edit, message = DAMAGE[damage]
    edit(archive)
    assert message in rejection(mongo, archive)


def test_rejected_archive_is_one_error_with_its_exit_code(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, archive: Path
) -> None:
    changed(archive, ORDERS, lambda content: content.replace(b"a", b"b", 1))
    for flags in ([], ["--no-validate"], ["--drop", "--yes"]):
        done = run(workplace, uri, name, "import", str(archive), *flags)
        assert done.code == 2
        assert "SHA-256" in done.line
    assert name not in state(mongo)


#: The format, whether it is compressed, the edit of the orders, and the expected message.
DAMAGED_FILES: Sequence[tuple[str, bool, Callable[[bytes], bytes], str]] = [
    ("bson", False, lambda content: content[:-3], "document 3 cannot be read"),
    ("bson", False, lambda content: content + b"\x01", "document 4 cannot be read"),
    ("json", True, lambda content: content[:-3], "cannot be read"),
    ("json", True, lambda _: b"no gzip", "orders.jsonl.gz"),
    ("bson", False, lambda _: (2**31 - 1).to_bytes(4, "little") + b"\0" * 9, "document 1 cannot be read"),
    ("bson", False, lambda _: (-5).to_bytes(4, "little", signed=True) + b"\0" * 9, "document 1 cannot be read"),
    ("bson", True, lambda _: gzip.compress(b"\4\0\0\0"), "its length field is 4 bytes"),
    ("json", True, lambda content: gzip.compress(gzip.decompress(content)[:-5]), "cannot be read"),
]


@pytest.mark.parametrize("number", range(len(DAMAGED_FILES)))
def test_damaged_bson_or_gzip_file_is_rejected(mongo: Mongo, tmp_path: Path, number: int) -> None:
    form, compressed, edit, message = DAMAGED_FILES[number]
    with new_archive(tmp_path / "out", MODEL, "shop", form, compressed=compressed) as writer:  # type: ignore[arg-type]
        writer.add("orders", [RawBSONDocument(bson.encode({"_id": position})) for position in range(3)])
    rewritten(tmp_path / "out", next(path.name for path in (tmp_path / "out").glob("orders.*")), edit)
    line = rejection(mongo, tmp_path / "out", validate=False)
    assert "orders." in line
    assert message in line


@pytest.mark.parametrize("compressed", [False, True])
def test_line_longer_than_any_document_is_rejected_before_reading(
    mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    """A gzip archive of 1.5 MB may hold a line of 1.5 GB. Here the limit, and the line, are a hundredth of that."""
    monkeypatch.setattr("generator.archive.archive.MAX_LINE_BYTES", 1_000_000)
    with new_archive(tmp_path / "out", MODEL, "shop", "json", compressed=compressed) as writer:
        writer.add("orders", [RawBSONDocument(bson.encode({"_id": position})) for position in range(2)])
    line = b'{"_id":"' + b"a" * 15_000_000 + b'"}\n'
    rewritten(
        tmp_path / "out",
        next(path.name for path in (tmp_path / "out").glob("orders.*")),
        lambda content: (gzip.compress if compressed else bytes)(
            (gzip.decompress if compressed else bytes)(content) + line
        ),
    )
    tracemalloc.start()
    try:
        assert "document 3 cannot be read: its line has more than 1,000,000 bytes" in rejection(
            mongo, tmp_path / "out", validate=False
        )
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_documents_beyond_the_count_of_the_manifest_are_not_read(mongo: Mongo, tmp_path: Path) -> None:
    """A small gzip file may contain millions: reading stops at the first surplus document."""
    with new_archive(tmp_path / "out", MODEL, "shop", "bson", compressed=True) as writer:
        writer.add("orders", [RawBSONDocument(bson.encode({"_id": 1}))])
    many = gzip.compress(bson.encode({"_id": 1}) * 3 + b"\1")  # the fourth document is broken
    rewritten(tmp_path / "out", "orders.bson.gz", lambda _: many)
    assert "it has more than 1 documents; expected 1, as in the manifest" in rejection(
        mongo, tmp_path / "out", validate=False
    )


def test_export_with_other_schemas_is_reported(workplace: Workplace, uri: str, name: str, archive: Path) -> None:
    """Documents are checked against the schemas of this model; the manifest is not trusted."""
    assert open_archive(archive, MODEL).differs_from(MODEL) is None
    manifest_edited(archive, model="0" * 64)
    done = run(workplace, uri, name, "import", str(archive))
    assert done.code == 0
    assert f"{archive / MANIFEST}: it was written under other schemas than this model's (000000000000…" in done.err
    assert "documents are checked against this model's" in done.err
    again = run(workplace, uri, name, "import", str(archive), "--no-validate", "--drop", "--yes")
    assert again.code == 0
    assert "documents are not checked against this model's" in again.err


def test_document_of_another_schema_is_rejected_by_the_validator(mongo: Mongo, name: str) -> None:
    """The cases include a document that is too large for a query."""
    good = {"_id": "cat_a", "category_id": "cat_a", "category_name": "A", "deleted": False}
    good["seasonal_multipliers"] = {month.name: 1.5 for month in MODEL[FIRST].field("seasonal_multipliers").children}
    large = {**good, "category_name": "x" * (16 * 1024 * 1024 - 1000)}
    for document, why in (
        (good, None),
        ({**good, "deleted": 0}, "deleted"),
        ({**good, "_id": 1, "$x": 1}, "$x"),
        (large, "category_name"),
    ):
        found = misfit(mongo[name], MODEL[FIRST], [RawBSONDocument(bson.encode(document))])
        assert (found is None) is (why is None)
        assert found is None or (found[0] == document["_id"] and why in found[1])
    assert name not in state(mongo)


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
