"""Reading by an inspection: with the role read only, every document once, with bounded counters, without a write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Code, DatetimeMS, DBRef, Decimal128, MinKey, ObjectId, Regex
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, monitoring
from pymongo.database import Database

from conformance.connection.decoding import OPTIONS
from conformance.embedded.server import EmbeddedServer
from conformance.inspection import profile, scan
from conformance.inspection.drafting.draft import draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import inspect
from conformance.inspection.profile import Profile
from conformance.model.schemas.loading import load_model
from conformance.model.validators.document_validator import conforms
from tests.conformance.inspection.databases import bank, fill

pytestmark = pytest.mark.server

#: Commands that only read.
READING = {"find", "getMore", "aggregate", "listCollections", "listIndexes", "count", "hello", "buildInfo", "ping"}
READING |= {"buildinfo", "saslStart", "saslContinue"} | {
    "connectionStatus",
    "getClusterParameter",
    "collStats",
    "killCursors",
    "endSessions",
    "ismaster",
    "isMaster",
}


class Commands(monitoring.CommandListener):
    """Record the names of all commands that are sent."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.add(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database[dict[str, Any]], Commands]]:
    """The database of a server with authentication, for a user who has only the role read on it."""
    commands = Commands()
    directory = tmp_path_factory.mktemp("guarded")
    with EmbeddedServer(directory, cache_gb=0.25, auth=True, linger=0.2) as server:
        with MongoClient[dict[str, Any]](server.uri) as admin:
            fill(admin["bank"], bank())
            admin["bank"].create_collection("view", viewOn="accounts", pipeline=[])
            admin["bank"].create_collection("log", capped=True, size=4096)
            admin["bank"].create_collection("readings", timeseries={"timeField": "at"})
            admin["bank"]["accounts"].create_index("limit", expireAfterSeconds=3600)
            admin["bank"].command("createUser", "reader", pwd="secret", roles=["read"])
        options: dict[str, Any] = {"username": "reader", "password": "secret", "authSource": "bank"}
        with MongoClient[dict[str, Any]](server.uri, event_listeners=[commands], **options) as client:
            yield client["bank"], commands


def test_role_read_is_enough_and_nothing_is_written(reader: tuple[Database[dict[str, Any]], Commands]) -> None:
    database, commands = reader
    found = {result.id: result for result in inspect(database).results}
    assert found["crdt.accounts.arrays:products"].violations == 100
    assert commands.names <= READING
    assert found["streams._database.image_retention"].status == "skipped"
    assert found["security._database.connector-rights"].reason == (
        "this user may not insert, update, remove; the connector needs a user of its own with readWrite"
    )


def test_kinds_of_collections_are_findings(reader: tuple[Database[dict[str, Any]], Commands]) -> None:
    found = {result.id: result for result in inspect(reader[0]).results}
    kinds = {name: found[f"sync.{name}.kind"].status for name in ("accounts", "view", "log", "readings")}
    assert kinds == {"accounts": "passed", "view": "warned", "log": "failed", "readings": "failed"}
    assert found["crdt.accounts.expiry"].headline == "accounts deletes documents by the TTL index limit_1"


def test_variable_field_names_use_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "MAX_NAMES", 10)
    root = Profile()
    for batch in range(5):
        root.add_objects([{"scores": {f"player {batch} {n}": {"points": n, "$x": 1}}} for n in range(20)])
    scores = root.fields["scores"]
    assert scores.fields == {} and scores.values is not None
    assert scores.values.fields["points"].count == 100
    assert sum(1 for _ in root.walk()) == 5
    assert scores.values.name_forms.pattern() == "^[^.$]+$"


def test_documents_with_variable_field_names_keep_their_id(
    database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(profile, "MAX_NAMES", 20)
    monkeypatch.setattr(scan, "BATCH", 10)
    database["wide"].insert_many({"_id": f"w{n}", f"day {n}": n, "x": None} for n in range(60))
    inspection = inspect(database)
    (scanned,) = inspection.scans
    assert scanned.root.fields.keys() == {"_id"} and scanned.root.fields["_id"].count == 60
    assert scanned.root.values is not None and scanned.root.values.types == {"int": 60, "null": 60}
    drafted = draft(database, inspection, ())
    assert drafted.schemas["wide"]["properties"] == {"_id": {"type": "string"}}
    write_model(drafted, tmp_path / "model", database.name)
    document = database["wide"].find_one({}) or {}
    assert conforms(load_model(tmp_path / "model")["wide"], document)


def test_documents_of_many_shapes_are_counted_exactly() -> None:
    root = Profile()
    root.add_objects([{f"f{n % 150}": n, "always": None if n % 3 else [1, "x"]} for n in range(300)])
    assert {each.count for name, each in root.fields.items() if name != "always"} == {2}
    assert root.fields["always"].types == {"null": 200, "array": 100}
    assert root.fields["always"].elements is not None
    assert root.fields["always"].elements.types == {"int": 100, "string": 100}


def nested(levels: int) -> dict[str, Any]:
    """Return an object with this number of levels."""
    inner: dict[str, Any] = {"end": 1}
    for _ in range(levels):
        inner = {"in": inner}
    return inner


def test_values_of_every_type_are_read_and_reported(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    """No value that MongoDB stores stops the inspection, and each unsuitable value is a finding."""
    odd: list[dict[str, Any]] = [
        {"_id": 1.5, "deep": nested(60)},
        {"_id": {"a": None}, "": 1, "$set": 2, "a.b": 3, "with\nbreak": 4, "[]": 5, "*": 6},
        {"_id": b"\x00" * 16, "code": Code("return 1"), "key": MinKey(), "ref": DBRef("other", ObjectId())},
        {"_id": "x" * 300, "nan": Decimal128("NaN"), "far": DatetimeMS(2**60), "none": []},
        {"_id": dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "many": {f"k{n}": n for n in range(900)}},
        {"_id": 7, "mixed": [1, "a", None, [1], {"x": Regex("a")}], "empty": {}},
    ]
    database["odd"].insert_many(odd)
    raw = bson.encode({"_id": 8, "text": "broken?"}).replace(b"broken?", b"broke\xff\xfe")
    database["odd"].insert_one(RawBSONDocument(raw))
    inspection = inspect(database)
    found = {each.id: each for each in inspection.results if each.status in ("failed", "warned")}
    wanted = {
        "crdt.odd.depth:deep" + "/in" * 29: 1,
        "crdt.odd.names:%00": 1,
        "crdt.odd.names:%24set": 1,
        "crdt.odd.names:a%2Eb": 1,
        "crdt.odd.blank-names:with%0Abreak": 1,
        "crdt.odd.blank-names:%5B%5D": 1,
        "crdt.odd.not-replicated:code": 1,
        "crdt.odd.not-replicated:key": 1,
        "crdt.odd.not-replicated:ref": 1,
        "crdt.odd.not-replicated:mixed/[]/x": 1,
        "crdt.odd.dates:far": 1,
        "crdt.odd.broken-text:text": 1,
        "crdt.odd.mixed-types:mixed/[]": 3,
    }
    assert {key: found[key].violations for key in wanted if key in found} == wanted
    assert "_id is binData or date or double in 3 documents" in found["crdt.odd.id"].headline
    drafted = draft(database, inspection, ())
    write_model(drafted, tmp_path / "model", database.name)
    assert drafted.schemas["odd"]["additionalProperties"] is True
    for document in database.get_collection("odd", codec_options=OPTIONS).find({"_id": {"$ne": 8}}):
        assert conforms(load_model(tmp_path / "model")["odd"], document)
