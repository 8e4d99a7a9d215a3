"""Documents that cannot sync: recorded with the reason, never dropped, and synced when they are fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import Binary
from pymongo import MongoClient

from edge.bridge.state.state import State
from edge.bridge.synced_collection import Synced
from tests.edge.bridge.pair import Document, Pair, edge, pair, paired, synced

__all__ = ["edge", "pair", "synced"]

Edit = Callable[[Pair], object]


def mongo(update: Document) -> Callable[[str, str], Edit]:
    """Return an update of the document in MongoDB."""
    return lambda name, key: lambda pair: pair.database[name].update_one({"word": key}, update)


def device(dql: str, **arguments: Any) -> Callable[[str, str], Edit]:
    """Return a statement of a device that changes the document."""

    def edit(name: str, key: str) -> Edit:
        statement = dql.replace("THINGS", name)
        return lambda pair: pair.device(statement, **{**({"id": key} if ":id" in dql else {}), **arguments})

    return edit


SET = "UPDATE THINGS SET {} WHERE _id = :id"


@dataclass(frozen=True)
class Case:
    """An edit that breaks a document, the recorded reason, and the edit that fixes it; other edits sync afterwards."""

    name: str
    breaks: Any
    path: str
    reason: str
    fix: Any
    collection: str = "things"


CASES = [
    Case("binary", mongo({"$set": {"blob": Binary(b"x")}}), "blob", "binData", mongo({"$unset": {"blob": 1}})),
    Case("deep binary", mongo({"$set": {"m.b": Binary(b"x")}}), "m.b", "binData", mongo({"$set": {"m.b": 1}})),
    Case("nan", mongo({"$set": {"n": float("nan")}}), "n", "nan", mongo({"$set": {"n": 2}})),
    Case(
        "id in mongo",
        mongo({"$set": {"code": "no"}}),
        "code",
        "set it back",
        mongo({"$set": {"code": "id in mongo"}}),
        "people",
    ),
    Case(
        "id on a device",
        device(SET.format("code = 'no'")),
        "code",
        "id field",
        device(SET.format("code = :id")),
        "people",
    ),
    Case("validator", device(SET.format("n = 'text'")), "n", "validator", device(SET.format("n = 7"))),
    Case(
        "taken",
        device(SET.format("u = 'taken'")),
        "u",
        'another document has u "taken"',
        device(SET.format("u = 'free'")),
    ),
    Case(
        "dot",
        device(SET.format("`a.b` = 1")),
        "a.b",
        "MongoDB cannot update",
        device("UPDATE THINGS UNSET `a.b` WHERE _id = :id"),
    ),
    Case(
        "bytes",
        device(SET.format("blob = :b"), b=b"x"),
        "blob",
        "binData",
        device("UPDATE THINGS UNSET blob WHERE _id = :id"),
    ),
    Case("large", device(SET.format("n = :n"), n=2**63), "n", "64 bits", device(SET.format("n = 3"))),
]
KEPT = "edited meanwhile"


@pytest.fixture(scope="module")
def broken(server: MongoClient[Document], edge: Path, synced: Mapping[str, Synced]) -> Iterator[Pair]:
    """Both sides after every case broke its document."""
    with paired(server, edge / "unsynced", synced) as pair:
        rule = {"properties": {"n": {"bsonType": ["int", "double"]}}}
        pair.database.create_collection("things", validator={"$jsonSchema": rule})
        pair.database["things"].create_index("u", unique=True, sparse=True)
        pair.database["things"].insert_one({"_id": "owner", "u": "taken"})
        for case in CASES:
            plain = {"_id": case.name} if case.collection == "things" else {"code": case.name}
            pair.database[case.collection].insert_one({**plain, "word": case.name, "n": 1, "m": {"x": 1}})
        pair.meet()
        for case in CASES:
            case.breaks(case.collection, case.name)(pair)
        pair.meet()
        yield pair


@pytest.fixture(scope="module")
def found(broken: Pair) -> Mapping[str, tuple[str, str]]:
    """Return path and reason of each broken document, by case."""
    words = {repr(each["_id"]): each["word"] for each in broken.database["people"].find()}
    return {words.get(key, key.strip('"')): (each.path, each.reason) for (_, key), each in broken.unsynced.items()}


@pytest.fixture(scope="module")
def fixed(broken: Pair, found: object) -> Pair:
    """Both sides after another edit of each document in MongoDB, and then its fix."""
    for case in CASES:
        mongo({"$set": {KEPT: "in mongo"}})(case.collection, case.name)(broken)
    broken.meet()
    assert len(broken.unsynced) == len(CASES)
    for case in CASES:
        case.fix(case.collection, case.name)(broken)
    broken.meet()
    return broken


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reason_is_stored(found: Mapping[str, tuple[str, str]], case: Case) -> None:
    path, reason = found[case.name]
    assert path == case.path
    assert case.reason in reason


def test_other_documents_are_not_unsynced(found: Mapping[str, tuple[str, str]]) -> None:
    assert set(found) == {case.name for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fixed_document_syncs_with_all_later_edits(fixed: Pair, case: Case) -> None:
    ours = fixed.in_mongo(case.collection, word=case.name)
    assert ours is not None
    assert ours[KEPT] == "in mongo"
    assert fixed.in_store(case.collection, case.name) == ours


def test_no_document_is_unsynced_in_the_end(fixed: Pair) -> None:
    assert fixed.unsynced == {}


def test_deletion_in_mongodb_is_final(pair: Pair) -> None:
    """A document that a device inserts again with the same _id stays on the device, until MongoDB inserts it again."""
    pair.database["things"].insert_one({"_id": "a", "n": 1})
    pair.meet()
    pair.database["things"].delete_one({"_id": "a"})
    pair.meet()
    pair.store.insert("things", [{"_id": "a", "n": 2, "mine": 1}])
    pair.meet()
    assert pair.in_mongo("things", _id="a") is None
    assert [each.reason for each in pair.unsynced.values()] == ["it was deleted in MongoDB, and a deletion is final"]
    pair.database["things"].insert_one({"_id": "a", "n": 3})
    pair.meet()
    assert pair.in_mongo("things", _id="a") == pair.in_store("things", "a") == {"n": 3, "mine": 1}
    assert pair.unsynced == {}


def test_device_may_insert_a_document_again_that_it_deleted(pair: Pair) -> None:
    pair.database["things"].insert_one({"_id": "a", "n": 1})
    pair.meet()
    pair.store.delete("things", ["a"])
    pair.meet()
    assert pair.in_mongo("things", _id="a") is None
    pair.store.insert("things", [{"_id": "a", "n": 2}])
    pair.meet()
    assert pair.in_mongo("things", _id="a") == {"n": 2}


def test_second_document_with_the_same_ditto_id_waits(pair: Pair) -> None:
    """The second one syncs when the first is deleted."""
    for number in (1, 2):
        pair.database["people"].insert_one({"_id": number, "code": "same", "n": number})
        pair.meet()
    assert pair.in_store("people", "same") == {"code": "same", "n": 1}
    (reason,) = [each.reason for each in pair.unsynced.values()]
    assert "another document, 1, has the same _id" in reason
    pair.database["people"].delete_one({"_id": 1})
    pair.database["people"].update_one({"_id": 2}, {"$set": {"n": 3}})
    pair.meet()
    assert pair.in_store("people", "same") == {"code": "same", "n": 3}
    assert pair.unsynced == {}


def test_deleted_unsynced_documents_are_removed_after_a_lost_position(pair: Pair) -> None:
    """No event reports their deletion: only the comparison of all documents finds it."""
    things = pair.database["things"]
    things.insert_many([{"_id": "gone", "v": Binary(b"x")}, {"_id": "stays", "v": Binary(b"x")}, {"_id": "a"}])
    pair.meet()
    assert {key for _, key in pair.unsynced} == {'"gone"', '"stays"'}
    things.delete_one({"_id": "gone"})
    with State.open(pair.folder / "state") as state, state.transaction():
        state.put("token", {"_data": "lost"})
    pair.meet()
    assert {key for _, key in pair.unsynced} == {'"stays"'}
    assert pair.store.count("things") == 1
