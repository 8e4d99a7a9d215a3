"""Results of edits on either side and on both, each on a separate document, in one run of the bridge."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from bson import Int64
from pymongo import MongoClient

from edge.bridge.store_side.store_changes import Feed
from edge.bridge.synced_collection import Synced
from tests.edge.bridge.pair import MAPPINGS, SECRET, SOON, Document, Pair, edge, paired, synced

__all__ = ["edge", "synced"]

GONE = None
FIRST = {"n": 1, "text": "a", "m": {"x": 1, "y": {"z": 1}}, "l": [1, {"a": 2}], "deleted": False}


def first(**changes: Any) -> Document:
    """Return the initial document of every case, with changes."""
    return {**FIRST, **changes}


@dataclass(frozen=True)
class Case:
    """Edits of one document: MongoDB updates (None deletes), and what follows UPDATE things in DQL ("" deletes)."""

    name: str
    expected: Document | None
    mongo: Sequence[Any] = ()
    device: Sequence[str] = ()
    conflicts: int = 0


CASES = [
    Case("nothing", first()),
    # MongoDB's side
    Case("mongo sets", first(n=2), [{"$set": {"n": 2}}]),
    Case("mongo adds", first(new="x"), [{"$set": {"new": "x"}}]),
    Case("mongo removes", {k: v for k, v in FIRST.items() if k != "text"}, [{"$unset": {"text": 1}}]),
    Case(
        "mongo renames",
        {"word": "a", **{k: v for k, v in FIRST.items() if k != "text"}},
        [{"$rename": {"text": "word"}}],
    ),
    Case("mongo sets a key", first(m={"x": 2, "y": {"z": 1}}), [{"$set": {"m.x": 2}}]),
    Case("mongo adds a deep key", first(m={"x": 1, "y": {"z": 1, "w": 5}}), [{"$set": {"m.y.w": 5}}]),
    Case("mongo removes a key", first(m={"y": {"z": 1}}), [{"$unset": {"m.x": 1}}]),
    Case("mongo removes the last key", first(m={"x": 1, "y": {}}), [{"$unset": {"m.y.z": 1}}]),
    Case("mongo replaces a map", first(m={"q": 1}), [{"$set": {"m": {"q": 1}}}]),
    Case("mongo empties a map", first(m={}), [{"$set": {"m": {}}}]),
    Case("mongo makes a map a number", first(m=5), [{"$set": {"m": 5}}]),
    Case("mongo makes a number a map", first(n={"k": 1}), [{"$set": {"n": {"k": 1}}}]),
    Case("mongo makes a map null", first(m=None), [{"$set": {"m": None}}]),
    Case("mongo makes null a map", first(m={"k": 1}), [{"$set": {"m": None}}, {"$set": {"m": {"k": 1}}}]),
    Case("mongo goes there and back", first(m={"q": 1}), [{"$set": {"m": 5}}, {"$set": {"m": {"q": 1}}}]),
    Case("mongo pushes", first(l=[1, {"a": 2}, 3]), [{"$push": {"l": 3}}]),
    Case("mongo sets an element", first(l=[7, {"a": 2}]), [{"$set": {"l.0": 7}}]),
    Case("mongo sets inside an element", first(l=[1, {"a": 9}]), [{"$set": {"l.1.a": 9}}]),
    Case("mongo pops", first(l=[1]), [{"$pop": {"l": 1}}]),
    Case("mongo sets null", first(text=None), [{"$set": {"text": None}}]),
    Case("mongo makes an int a double", first(n=1.0), [{"$set": {"n": 1.0}}]),
    Case("mongo sets a long", first(n=2**40), [{"$set": {"n": Int64(2**40)}}]),
    Case("mongo writes often", first(n=11), [{"$inc": {"n": 1}}] * 10),
    Case("mongo replaces the document", {"a": 1}, [{"a": 1}]),
    Case("mongo deletes", GONE, [None]),
    Case("mongo deletes and makes again", {"b": 1}, [None, {"b": 1}]),
    Case("mongo deletes softly", first(deleted=True), [{"$set": {"deleted": True}}]),
    # A device's side
    Case("device sets", first(n=2), device=["SET n = 2"]),
    Case("device adds", first(new="x"), device=["SET new = 'x'"]),
    Case("device removes", {k: v for k, v in FIRST.items() if k != "text"}, device=["UNSET text"]),
    Case("device sets a key", first(m={"x": 2, "y": {"z": 1}}), device=["SET m.x = 2"]),
    Case("device makes a map null", first(m=None), device=["SET m = NULL"]),
    # Ditto keeps the keys that the map had before.
    Case(
        "device makes null a map", first(m={"x": 1, "y": {"z": 1}, "k": 1}), device=["SET m = NULL", "SET m = {'k': 1}"]
    ),
    Case("device adds a deep key", first(m={"x": 1, "y": {"z": 1, "w": 5}}), device=["SET m.y.w = 5"]),
    Case("device removes a key", first(m={"y": {"z": 1}}), device=["UNSET m.x"]),
    Case("device makes a map a number", first(m=5), device=["SET m = 5"]),
    Case("device sets an array", first(l=[3]), device=["SET l = [3]"]),
    Case("device sets null", first(text=None), device=["SET text = NULL"]),
    Case("device deletes softly", first(deleted=True), device=["SET deleted = true"]),
    Case("device deletes", GONE, device=[""]),
    # Content of both sides before the first sync
    Case("other fields", first(n=2, text="b"), [{"$set": {"n": 2}}], ["SET text = 'b'"]),
    Case("other keys", first(m={"x": 2, "y": {"z": 3}}), [{"$set": {"m.x": 2}}], ["SET m.y.z = 3"]),
    Case("one adds, one removes a key", first(m={"y": {"z": 1}, "q": 1}), [{"$set": {"m.q": 1}}], ["UNSET m.x"]),
    Case("one removes, one adds a key", first(m={"y": {"z": 1}, "q": 1}), [{"$unset": {"m.x": 1}}], ["SET m.q = 1"]),
    Case("the same field", first(n=2), [{"$set": {"n": 2}}], ["SET n = 3"], conflicts=1),
    Case("the same key", first(m={"x": 2, "y": {"z": 1}}), [{"$set": {"m.x": 2}}], ["SET m.x = 3"], conflicts=1),
    Case(
        "the same field, and another",
        first(n=2, text="b"),
        [{"$set": {"n": 2}}],
        ["SET n = 3, text = 'b'"],
        conflicts=1,
    ),
    Case("the same value", first(n=2), [{"$set": {"n": 2}}], ["SET n = 2"]),
    Case("one removes a key, one makes a number", first(m=5), [{"$unset": {"m.x": 1}}], ["SET m = 5"]),
    Case("one makes a number, one removes a key", first(m=5), [{"$set": {"m": 5}}], ["UNSET m.x"], conflicts=1),
    Case(
        "one sets a key, one makes a number",
        first(m={"x": 2, "y": {"z": 1}}),
        [{"$set": {"m.x": 2}}],
        ["SET m = 5"],
        conflicts=1,
    ),
    Case("one sets a number, one makes a map", first(n=2), [{"$set": {"n": 2}}], ["SET n.deep = 5"], conflicts=1),
    Case("mongo writes a double, device edits", first(n=3), [{"$set": {"n": 1.0}}], ["SET n = 3"]),
    Case("device writes a double, mongo edits", first(n=2), [{"$set": {"n": 2}}], ["SET n = 1.0"]),
    Case("both write one number in two types", first(n=2.0), [{"$set": {"n": 2.0}}], ["SET n = 2"]),
    Case(
        "mongo writes the numbers of an array as doubles, device edits",
        first(l=[7]),
        [{"$set": {"l": [1.0, {"a": 2.0}]}}],
        ["SET l = [7]"],
    ),
    Case("mongo writes true for 1, device edits", first(n=True), [{"$set": {"n": True}}], ["SET n = 3"], conflicts=1),
    Case("mongo deletes, device edits", GONE, [None], ["SET n = 2"]),
    Case("device deletes, mongo edits", GONE, [{"$set": {"n": 2}}], [""]),
    Case("both delete", GONE, [None], [""]),
    Case("there and back on a device", first(text="b"), [{"$set": {"text": "b"}}], ["SET n = 5", "SET n = 1"]),
]
MADE_BY_MONGO, MADE_BY_DEVICE, TOUCHED = "made by mongo", "made by device", "touched"


def identify(name: str, word: str) -> Document:
    """Return the fields that form the _id of a document with this name."""
    return {field: f"{field} {word}" for field in MAPPINGS[name]}


def ditto_id(pair: Pair, name: str, word: str) -> Any:
    """Return Ditto's _id of this document."""
    fields = identify(name, word)
    if not fields:
        found = pair.database[name].find_one({"word": word})
        return word if name == "things" else str(found["_id"]) if found else None
    return fields if len(fields) > 1 else next(iter(fields.values()))


@pytest.fixture(scope="module")
def settled(server: MongoClient[Document], edge: Path, synced: Mapping[str, Synced]) -> Iterator[Pair]:
    """Both sides after a first sync, the edits of all cases, and a second sync."""
    with paired(server, edge / "both", synced) as pair:
        things = pair.database["things"]
        things.insert_many([{"_id": case.name, **FIRST} for case in CASES])
        pair.database[SECRET].insert_one({"_id": "s", "n": 1})
        for name in MAPPINGS:
            plain = {"_id": TOUCHED} if name == "things" else {}
            pair.database[name].insert_one({**plain, "word": TOUCHED, **identify(name, TOUCHED), "n": 1})
        pair.meet()
        assert pair.counts["copied"] == len(CASES) + len(MAPPINGS)
        for case in CASES:
            for edit in case.mongo:
                _edit(pair, case.name, edit)
            for dql in case.device:
                head = f"UPDATE things {dql}" if dql else "DELETE FROM things"
                pair.device(f"{head} WHERE _id = :id", id=case.name)
        pair.database[SECRET].update_one({"_id": "s"}, {"$set": {"n": 2}})
        for name in MAPPINGS:
            plain = {"_id": MADE_BY_MONGO} if name == "things" else {}
            pair.database[name].insert_one({**plain, "word": MADE_BY_MONGO, **identify(name, MADE_BY_MONGO)})
            pair.database[name].update_one({"word": TOUCHED}, {"$set": {"mongo": 1}})
            pair.device(f"UPDATE {name} SET device = 1 WHERE _id = :id", id=ditto_id(pair, name, TOUCHED))  # noqa: S608
            if name != "keyed":  # a device makes no ObjectIds
                identity = ditto_id(pair, name, MADE_BY_DEVICE)
                made = {"_id": identity, "word": MADE_BY_DEVICE, **identify(name, MADE_BY_DEVICE)}
                pair.store.insert(name, [made])
        pair.meet()
        yield pair


def _edit(pair: Pair, name: str, edit: Any) -> None:
    things, key = pair.database["things"], {"_id": name}
    if edit is None:
        things.delete_one(key)
    elif next(iter(edit)).startswith("$"):
        things.update_one(key, edit)
    else:
        things.replace_one(key, edit, upsert=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_sides_have_the_edits_of_both(settled: Pair, case: Case) -> None:
    def exactly(document: Document | None) -> str:
        return repr(sorted(document.items()) if document else document).replace(f"Int64({2**40})", str(2**40))

    assert exactly(settled.in_mongo("things", _id=case.name)) == exactly(case.expected)
    assert exactly(_sorted(settled.in_store("things", case.name))) == exactly(_sorted(case.expected))


def _sorted(value: Any) -> Any:
    """Return the document with the names of objects in Ditto's order."""
    if isinstance(value, dict):
        return {name: _sorted(inner) for name, inner in sorted(value.items())}
    return value


def test_conflicts_are_counted(settled: Pair) -> None:
    assert settled.counts["conflicts"] == sum(case.conflicts for case in CASES)
    assert settled.unsynced == {}


@pytest.mark.parametrize("name", MAPPINGS)
def test_every_mapping_syncs_inserts_and_edits_of_both_sides(settled: Pair, name: str) -> None:
    expected = {"word": TOUCHED, **identify(name, TOUCHED), "n": 1, "mongo": 1, "device": 1}
    assert settled.in_mongo(name, word=TOUCHED) == expected
    assert settled.in_store(name, ditto_id(settled, name, TOUCHED)) == expected
    for word in (MADE_BY_MONGO, MADE_BY_DEVICE) if name != "keyed" else (MADE_BY_MONGO,):
        expected = {"word": word, **identify(name, word)}
        assert settled.in_mongo(name, word=word) == expected
        assert settled.in_store(name, ditto_id(settled, name, word)) == expected


def test_excluded_collection_is_not_synced(settled: Pair) -> None:
    assert settled.store.count(SECRET) == 0
    assert settled.in_mongo(SECRET, _id="s") == {"n": 2}


def test_second_run_writes_nothing(settled: Pair) -> None:
    """A second sync writes on neither side: MongoDB has no new event, and the store no newly written document."""
    woken = Event()
    feed = Feed(settled.store, dict.fromkeys(MAPPINGS, 0), woken.set)
    try:
        with settled.database.watch(max_await_time_ms=50) as stream:
            settled.meet()
            assert settled.counts == {"to Ditto": 0, "conflicts": 0}
            assert stream.try_next() is None
        time.sleep(max(0.0, feed.complete_from - time.time()))
        woken.clear()
        settled.meet()
        settled.device("UPDATE things SET n = 1 WHERE _id = :id", id="nothing")
        assert woken.wait(SOON)
        assert {name: list(written) for name, written in feed.take().items()} == {"things": ['"nothing"']}
    finally:
        feed.close()
