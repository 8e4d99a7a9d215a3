"""The initial copy: resumable, with a limited rate, for every type of _id, and without excluded collections."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import Code, DatetimeMS, MaxKey, MinKey, ObjectId, Timestamp
from pymongo import MongoClient

from conformance.errors import ConfigurationError
from edge.bridge.state.state import State
from edge.bridge.synced_collection import Synced
from edge.document_keys import name_of
from edge.store.store import Store
from tests.edge.bridge.pair import SECRET, Document, Pair, edge, pair, paired, synced

pytestmark = pytest.mark.ditto

__all__ = ["edge", "pair", "synced"]


def numbered(number: int) -> list[Document]:
    return [{"_id": f"{each:04}", "n": each} for each in range(number)]


def test_stopped_copy_resumes(pair: Pair) -> None:
    pair.database["things"].insert_many(numbered(210))
    copied: Counter[str] = Counter()
    with pair.bridge(progress=lambda name, number: copied.update({name: number})) as bridge:

        def progress(name: str, number: int) -> None:
            copied[name] += number
            if copied["things"] >= 100:
                bridge.stop()

        object.__setattr__(bridge._hooks, "progress", progress)
        assert not bridge.run(once=True)
    assert pair.counts["copied"] == 100
    again: Counter[str] = Counter()
    with pair.bridge(progress=lambda name, number: again.update({name: number})) as bridge:
        assert bridge.run(once=True)
    assert pair.counts["copied"] == 110
    assert again["things"] == 210
    assert pair.store.count("things") == 210


def test_copy_rate_is_limited(pair: Pair) -> None:
    """For 100 documents at 200 a second in pages of 50, the second page waits at least a quarter of a second."""
    pair.settings = pair.settings.model_copy(update={"rate_limit_per_second": 200})
    pair.database["things"].insert_many(numbered(100))
    times: list[float] = []
    with pair.bridge(progress=lambda _, number: times.append(time.monotonic()) if number else None) as bridge:
        assert bridge.run(once=True)
    first, second = times
    assert 0.24 <= second - first <= 10


def test_ids_of_all_types_are_copied(pair: Pair) -> None:
    """There is more than a page of each, in the order of BSON types; $gt alone would stop after the first type."""
    ids: list[Any] = [*range(60), *(f"t{number}" for number in range(60)), True, False]
    pair.database["things"].insert_many([{"_id": each, "n": 1} for each in ids])
    pair.database["keyed"].insert_many([{"n": 1} for _ in range(120)])
    pair.meet()
    assert {(type(each["_id"]), each["_id"]) for each in pair.store.execute("SELECT _id FROM things")} == {
        (type(each), each) for each in ids
    }
    expected = {str(each["_id"]) for each in pair.database["keyed"].find()}
    assert {each["_id"] for each in pair.store.execute("SELECT _id FROM keyed")} == expected


def test_documents_with_unsuitable_ids_are_recorded_on_every_page(pair: Pair) -> None:
    """The last possible _id, MaxKey, is included."""
    odd = [MinKey(), None, 2.5, {"a": 1}, b"x", Timestamp(1, 1), Code("1"), MaxKey()]
    pair.database["things"].insert_many([{"_id": f"{each:03}"} for each in range(120)])
    pair.database["things"].insert_many([{"_id": each} for each in odd])
    pair.meet()
    assert pair.store.count("things") == 120
    assert {key for _, key in pair.unsynced} == {name_of(each) for each in odd}
    assert all(each.reason for each in pair.unsynced.values())


def test_page_may_end_at_any_id(pair: Pair) -> None:
    """An example is a date outside of Python's range; the copy continues from there."""
    pair.settings = pair.settings.model_copy(update={"batch_size": 2})
    odd = [DatetimeMS(569_000_000_000_000), Timestamp(7, 1), Timestamp(8, 1), MaxKey()]
    pair.database["things"].insert_many([{"_id": each} for each in ["a", *odd]])
    pair.meet()
    assert {key for _, key in pair.unsynced} == {name_of(each) for each in odd}
    assert pair.in_store("things", "a") == {}


def test_collection_without_an_initial_sync_syncs_changes_only(pair: Pair) -> None:
    pair.synced = {name: replace(each, initial_sync=False) for name, each in pair.synced.items()}
    pair.database["things"].insert_many(numbered(3))
    pair.meet()
    assert pair.store.count("things") == 0
    pair.database["things"].update_one({"_id": "0001"}, {"$set": {"x": 1}})
    pair.database["things"].insert_one({"_id": "new"})
    pair.store.insert("things", [{"_id": "0002", "n": 2, "device": 1}])
    pair.meet()
    assert pair.in_store("things", "0001") == {"n": 1, "x": 1}
    assert pair.in_store("things", "new") == {}
    assert pair.in_store("things", "0002") == pair.in_mongo("things", _id="0002") == {"n": 2, "device": 1}
    assert pair.in_store("things", "0000") is None


@pytest.mark.parametrize(("own", "copied"), [(True, 3), (False, 0)])
def test_initial_sync_of_one_collection_overrides_the_settings(
    server: MongoClient[Document], tmp_path: Path, synced: Mapping[str, Synced], own: bool, copied: int
) -> None:
    chosen = {**synced, "things": replace(synced["things"], initial_sync=own)}
    with paired(server, tmp_path, chosen, initial_sync=not own) as pair:
        pair.database["things"].insert_many(numbered(3))
        pair.meet()
        assert pair.store.count("things") == copied


def test_documents_existing_on_both_sides_are_merged(pair: Pair) -> None:
    """MongoDB's values win; values that only the device has are written to MongoDB."""
    pair.database["things"].insert_one({"_id": "both", "n": 1, "m": {"x": 1}})
    pair.store.insert("things", [{"_id": "both", "n": 2, "m": {"x": 2, "y": 3}}, {"_id": "device", "n": 4}])
    pair.meet()
    for where in (pair.in_mongo("things", _id="both"), pair.in_store("things", "both")):
        assert where == {"n": 1, "m": {"x": 1, "y": 3}}
    assert pair.in_mongo("things", _id="device") == {"n": 4}


def test_objects_in_strict_mode_are_replaced(
    server: MongoClient[Document], tmp_path: Path, synced: Mapping[str, Synced]
) -> None:
    with paired(server, tmp_path, synced, strict_mode=True) as pair:
        pair.database["things"].insert_many([{"_id": each, "m": {"x": 1, "y": 1}} for each in ("a", "b", "c")])
        pair.meet()
        pair.database["things"].update_one({"_id": "a"}, {"$set": {"m.x": 2}})
        pair.device("UPDATE things SET m = :m WHERE _id = 'b'", m={"z": 1})
        pair.database["things"].update_one({"_id": "c"}, {"$set": {"m.x": 2}})
        pair.device("UPDATE things SET m = :m WHERE _id = 'c'", m={"x": 1, "y": 2})
        pair.meet()
        for key, expected in (("a", {"x": 2, "y": 1}), ("b", {"z": 1}), ("c", {"x": 2, "y": 1})):
            assert pair.in_mongo("things", _id=key) == pair.in_store("things", key) == {"m": expected}
        assert pair.counts["conflicts"] == 1


def test_repeated_comparison_writes_differences_only(pair: Pair) -> None:
    """It finds lost documents, and writes nothing else."""
    pair.database["things"].insert_many(numbered(120))
    pair.meet()
    pair.device("UPDATE things SET n = -1 WHERE _id = '0007'")
    with pair.bridge() as bridge:
        bridge.begin_copy()
        assert bridge.run(once=True)
    assert pair.counts == {"copied": 120, "to Ditto": 0, "to MongoDB": 1, "conflicts": 0}
    assert pair.in_mongo("things", _id="0007") == {"n": -1}


def test_excluded_collection_is_not_read(pair: Pair) -> None:
    """The server's profiler records every operation of the bridge, and none is on the excluded collection."""
    pair.database[SECRET].insert_one({"_id": "s"})
    pair.database["things"].insert_many(numbered(60))
    pair.database.command("profile", 2)
    pair.meet()
    with pair.live():
        pair.database[SECRET].update_one({"_id": "s"}, {"$set": {"n": 1}})
        pair.database["things"].update_one({"_id": "0001"}, {"$set": {"n": 9}})
        pair.eventually(lambda: pair.in_store("things", "0001") == {"n": 9})
    pair.database.command("profile", 0)
    seen = Counter((each["ns"].partition(".")[2], each["op"]) for each in pair.database["system.profile"].find())
    assert seen[SECRET, "update"] == 1
    assert [key for key in seen if key[0] == SECRET] == [(SECRET, "update")]
    assert seen["things", "query"] > 0
    assert pair.store.count(SECRET) == 0


# Pairing of a state with a store and a database


def test_state_of_another_database_is_rejected(pair: Pair) -> None:
    pair.meet()
    with (
        pytest.raises(ConfigurationError, match=r"belongs to bridge_[0-9a-f]+, not to elsewhere"),
        pair.bridge(source="elsewhere"),
    ):
        pass


def test_second_bridge_with_the_same_state_is_rejected(pair: Pair) -> None:
    with State.open(pair.folder / "state"), pytest.raises(ConfigurationError, match="another bridge is running"):
        pair.meet()


def test_emptied_store_is_filled_again(pair: Pair) -> None:
    """A state with another store does not mark documents as deleted."""
    pair.database["things"].insert_many(numbered(3))
    pair.meet()
    with Store.open(pair.folder / "other") as other:
        pair.store, before = other, pair.store
        pair.meet()
        assert other.count("things") == 3
        pair.store = before
    assert pair.database["things"].count_documents({}) == 3
    assert any("do not belong together" in line for line in pair.notices)


def test_lost_state_is_rebuilt(pair: Pair) -> None:
    pair.database["things"].insert_many(numbered(3))
    pair.meet()
    pair.device("UPDATE things SET d = 1 WHERE _id = '0001'")
    (pair.folder / "state").rename(pair.folder / "lost")
    pair.meet()
    assert pair.in_mongo("things", _id="0001") == {"n": 1, "d": 1}
    assert pair.store.count("things") == 3


def test_keyed_documents_keep_their_object_ids(pair: Pair) -> None:
    """A device's edit is applied to the MongoDB document with its ObjectId."""
    identity = pair.database["keyed"].insert_one({"n": 1}).inserted_id
    pair.meet()
    pair.device("UPDATE keyed SET n = 2 WHERE _id = :id", id=str(identity))
    made = str(ObjectId())
    pair.store.insert("keyed", [{"_id": made, "n": 3}])
    pair.meet()
    assert {each["_id"]: each["n"] for each in pair.database["keyed"].find()} == {identity: 2, ObjectId(made): 3}
