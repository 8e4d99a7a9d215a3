"""Documents that devices nest so deep that the engine ends the process that reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.store.commits import TOO_DEEP
from edge.store.look_up import UNREADABLE, look_up
from edge.store.store import Store
from edge.values import MAX_DEPTH
from tests.edge.bridge.pair import Pair, edge, pair, synced

pytestmark = pytest.mark.ditto

__all__ = ["edge", "pair", "synced"]

LIVE = pytest.mark.parametrize("live", [False, True], ids=["between runs", "live"])


def objects(depth: int) -> Any:
    """Return nested objects."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def arrays(depth: int) -> Any:
    """Return nested arrays."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def mixed(depth: int) -> Any:
    """Return nested objects, the innermost with arrays of objects."""
    value = arrays(depth // 2)
    for _ in range(depth // 4):
        value = {"a": value}
    return value


DEEP = {
    "30 objects": objects(30),
    "40 objects": objects(40),
    "100 objects": objects(100),
    "119 arrays": arrays(119),
    "both": mixed(80),
    "objects in an array": [objects(118)],
}


@pytest.mark.parametrize("value", DEEP.values(), ids=DEEP)
@LIVE
def test_deep_document_is_recorded_and_others_sync(pair: Pair, value: Any, live: bool) -> None:
    """It is recorded when it is new and at every start, while MongoDB and the device edit the other documents."""
    things = pair.database["things"]
    things.insert_many([{"_id": each, "n": 0} for each in "abc"])
    pair.meet()

    def write() -> None:
        pair.store.insert("things", [{"_id": "deep", "m": value}, {"_id": "new"}])
        pair.device("UPDATE things SET n = 1 WHERE _id = 'a'")

    if live:
        with pair.live():
            write()
            pair.eventually(lambda: things.find_one({"_id": "a", "n": 1}) and things.find_one({"_id": "new"}))
            things.update_one({"_id": "b"}, {"$set": {"n": 2}})
            pair.eventually(lambda: pair.in_store("things", "b") == {"n": 2})
    else:
        write()
    for _ in range(2):
        pair.meet()
        assert {each["_id"]: each.get("n") for each in things.find()} == {"a": 1, "b": 2 * live, "c": 0, "new": None}
        assert pair.store.count("things") == 5
        assert {key: (each.direction, each.reason) for key, each in pair.unsynced.items()} == {
            ("things", '"deep"'): ("to MongoDB", TOO_DEEP)
        }


@LIVE
def test_synced_document_that_becomes_too_deep_is_recorded(pair: Pair, live: bool) -> None:
    """Changes and deletions in MongoDB are recorded, because the engine cannot write to it. Nothing is deleted."""
    things = pair.database["things"]
    things.insert_many([{"_id": each, "n": 0} for each in "abc"])
    pair.meet()

    def write() -> None:
        for each in "ab":
            pair.device("UPDATE things SET m = :m, n = 1 WHERE _id = :id", m=objects(40), id=each)
        pair.device("UPDATE things SET n = 1 WHERE _id = 'c'")

    if live:
        with pair.live():
            write()
            pair.eventually(lambda: things.find_one({"_id": "c", "n": 1}))
    else:
        write()
    pair.meet()
    assert {each["_id"]: each["n"] for each in things.find()} == {"a": 0, "b": 0, "c": 1}
    things.update_one({"_id": "a"}, {"$set": {"n": 2}})
    things.delete_one({"_id": "b"})
    things.update_one({"_id": "c"}, {"$set": {"k": 2}})
    for _ in range(2):
        pair.meet()
        assert pair.in_store("things", "c") == {"n": 1, "k": 2}
        assert pair.store.count("things") == 3
        assert {each["_id"]: each["n"] for each in things.find()} == {"a": 2, "c": 1}
        assert all(TOO_DEEP in each.reason for each in pair.unsynced.values())
        assert set(pair.unsynced) == {("things", '"a"'), ("things", '"b"')}


def test_deep_document_with_the_id_of_a_later_mongodb_document_is_recorded(pair: Pair) -> None:
    pair.store.insert("things", [{"_id": "a", "m": objects(40)}])
    pair.database["things"].insert_many([{"_id": "a", "n": 1}, {"_id": "b", "n": 1}])
    pair.meet()
    assert pair.in_store("things", "b") == {"n": 1}
    assert pair.in_mongo("things", _id="a") == {"n": 1}
    assert all(TOO_DEEP in each.reason for each in pair.unsynced.values())
    assert set(pair.unsynced) == {("things", '"a"')}


@LIVE
def test_deep_document_replaced_by_a_flat_one_syncs(pair: Pair, live: bool) -> None:
    pair.store.insert("things", [{"_id": "a", "m": objects(40)}])
    pair.meet()
    assert len(pair.unsynced) == 1

    def write() -> None:
        assert pair.store.evict("things", ["a"]) == ["a"]
        pair.store.insert("things", [{"_id": "a", "m": objects(3)}])

    if live:
        with pair.live():
            write()
            pair.eventually(lambda: pair.in_mongo("things", _id="a") == {"m": objects(3)})
    else:
        write()
    pair.meet()
    assert pair.in_mongo("things", _id="a") == {"m": objects(3)}
    assert pair.unsynced == {}


def test_deepest_allowed_documents_sync(pair: Pair) -> None:
    deepest = {"_id": "a", "o": objects(MAX_DEPTH), "l": arrays(MAX_DEPTH)}
    pair.store.insert("things", [deepest])
    pair.meet()
    assert pair.database["things"].find_one({"_id": "a"}) == deepest
    assert pair.unsynced == {}


@pytest.mark.parametrize("shape", [objects, arrays], ids=["objects", "arrays"])
@pytest.mark.parametrize("strict_mode", [False, True], ids=["maps", "strict"])
def test_documents_of_every_depth_are_read_or_marked_as_unreadable(
    edge: Path, tmp_path: Path, shape: Callable[[int], Any], strict_mode: bool
) -> None:
    """look_up does not end the process for documents of any depth that the engine accepts."""
    with Store.open(tmp_path / "store", strict_mode=strict_mode) as store:
        documents = [{"_id": f"{depth}", "m": shape(depth)} for depth in range(1, 120)]
        store.insert("c", documents)
        found = look_up(store, "c", [each["_id"] for each in documents])
        assert len(found) == len(documents)
        readable = [each["_id"] for each in documents if found[f'"{each["_id"]}"'] is not UNREADABLE]
        assert readable == [f"{depth}" for depth in range(1, len(readable) + 1)]
        assert len(readable) >= MAX_DEPTH
        assert all(found[f'"{each}"'] == documents[int(each) - 1] for each in readable)


def test_examined_documents_are_not_examined_again(pair: Pair) -> None:
    """The next run does not examine all documents again, and still excludes the deep one."""
    pair.store.insert("things", [{"_id": "deep", "m": objects(40)}, {"_id": "a"}])
    pair.meet()
    known = pair.store.commits.remember(["things"])
    assert known["things"]["unreadable"] == ['"deep"']
    with Store.open(pair.folder / "other") as other:
        other.commits.recall(known)
        assert other.commits.unreadable("things") == {'"deep"'}
