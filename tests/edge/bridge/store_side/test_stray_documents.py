"""Documents of devices that no schema allows: ids of every type, values too deep or too large."""

from __future__ import annotations

from typing import Any

import pytest

from tests.edge.bridge.pair import Document, Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]

#: Every type of _id that Ditto takes and that cannot cross where _ids are the same on both sides.
STRAY: dict[str, Any] = {
    "bytes": b"\x00\xff",
    "no bytes": b"",
    "long bytes": b"x" * 200,
    "array": [1, "a"],
    "array of bytes": [b"x"],
    "empty array": [],
    "object": {"k": 1},
    "object of objects": {"k": {"b": b"x"}},
    "empty object": {},
    "operator": {"$gt": ""},
    "integer beyond 64 bits": 2**63,
    "integer beyond all": 2**70,
}
#: No condition of the engine finds these.
HIDDEN: dict[str, Any] = {"null in an object": {"k": {"n": None}}, "null in an array": [None]}
#: Documents that can be synced.
FOREIGN: dict[str, Any] = {
    "7": 7,
    "-1": -1,
    "2**62": 2**62,
    "true": True,
    "false": False,
    "text": "7",
    "": "",
    "long": "é" * 120,
}


def edited(pair: Pair, number: int = 150) -> None:
    """Sync documents, and edit them on the device."""
    pair.database["things"].insert_many([{"_id": f"{each:03}", "n": 0} for each in range(number)])
    pair.meet()


def edit(pair: Pair, number: int = 150) -> None:
    """A device edits every document."""
    for each in range(number):
        pair.device("UPDATE things SET n = 1 WHERE _id = :id", id=f"{each:03}")


def reasons(pair: Pair) -> list[str]:
    return [each.reason for each in pair.unsynced.values()]


@pytest.mark.parametrize("name", [*STRAY, *HIDDEN, *FOREIGN])
def test_stray_id_does_not_affect_other_documents(pair: Pair, name: str) -> None:
    """It is in one batch with the edit of another document; the edit syncs, and nothing is deleted."""
    edited(pair, 3)
    stray = {**STRAY, **HIDDEN, **FOREIGN}[name]
    edit(pair, 1)
    pair.store.insert("things", [{"_id": stray, "s": 1}])
    pair.meet()
    assert pair.in_mongo("things", _id="000") == {"n": 1}
    assert pair.in_mongo("things", _id="001") == pair.in_mongo("things", _id="002") == {"n": 0}
    assert pair.store.count("things") == 4
    if name not in FOREIGN:
        assert pair.database["things"].count_documents({}) == 3
        assert len(pair.unsynced) == 1
        (reason,) = reasons(pair)
        assert reason
    else:
        assert pair.in_mongo("things", _id=stray) == {"s": 1}
        assert pair.unsynced == {}


@pytest.fixture
def strays(pair: Pair) -> Pair:
    """Every stray document, in a store whose documents are all edited."""
    edited(pair)
    pair.store.insert("things", [{"_id": each, "n": 1} for each in (*STRAY.values(), *FOREIGN.values())])
    edit(pair)
    return pair


def expect_strays(pair: Pair, *, number: int = len(STRAY)) -> None:
    things = pair.database["things"]
    assert things.count_documents({"n": 1}) == things.count_documents({}) == 150 + len(FOREIGN)
    assert pair.store.count("things") == 150 + len(FOREIGN) + number
    assert len(pair.unsynced) == number


def test_strays_are_recorded_across_restarts(strays: Pair) -> None:
    for _ in range(3):
        strays.meet()
        expect_strays(strays)
    assert len(set(strays.unsynced)) == len(STRAY)


def test_edits_beside_unsynced_strays_sync_after_a_restart(strays: Pair) -> None:
    """A recorded unsynced edit and stray ids are looked up together with ordinary ones."""
    strays.meet()
    strays.device("UPDATE things SET big = :big WHERE _id = '000'", big=2**63)
    strays.device("UPDATE things SET m = 1 WHERE _id = '001'")
    strays.meet()
    strays.device("UPDATE things UNSET big WHERE _id = '000'")
    strays.device("UPDATE things SET m = 2 WHERE _id = '002'")
    strays.meet()
    expect_strays(strays)
    assert strays.in_mongo("things", _id="000") == {"n": 1}
    assert strays.in_mongo("things", _id="002") == {"n": 1, "m": 2}


@pytest.mark.parametrize("live", [False, True], ids=["between runs", "live"])
def test_strays_may_change_and_be_deleted_and_inserted_again(strays: Pair, live: bool) -> None:
    """They are recorded with their reasons while they exist, and removed when they are deleted."""
    strays.meet()

    def change() -> None:
        for identity in STRAY.values():
            strays.device("UPDATE things SET n = 2 WHERE _id = :id", id=identity)

    def go() -> None:
        assert len(strays.store.delete("things", STRAY.values())) == len(STRAY)

    def come() -> None:
        strays.store.insert("things", [{"_id": each, "n": 3} for each in STRAY.values()])

    for step, number in ((change, len(STRAY)), (go, 0), (come, len(STRAY))):
        if live:
            with strays.live():
                step()
                strays.device("UPDATE things SET n = n + 0 WHERE _id = '000'")
                strays.device("UPDATE things SET seen = :seen WHERE _id = '005'", seen=step.__name__)
                strays.eventually(lambda: strays.database["things"].find_one({"_id": "005", "seen": step.__name__}))  # noqa: B023
        else:
            step()
        strays.meet()
        expect_strays(strays, number=number)


def test_mongodb_edits_beside_strays_sync(strays: Pair) -> None:
    """Documents changed in MongoDB are looked up among the ids of the store, too."""
    strays.meet()
    ids: list[Any] = ["000", *FOREIGN.values()]
    strays.database["things"].update_many({"_id": {"$in": ids}}, {"$set": {"mongo": 1}})
    strays.meet()
    for each in ids:
        assert strays.in_store("things", each) == {"n": 1, "mongo": 1}
    expect_strays(strays)


def test_ids_without_a_form_in_mongodb_are_recorded(pair: Pair) -> None:
    """The _ids of these collections are ObjectIds, made from one field, and made from two fields."""
    strays: list[tuple[str, Document]] = [
        ("keyed", {"_id": 7}),
        ("keyed", {"_id": "not an ObjectId"}),
        ("people", {"_id": 7, "code": "seven"}),
        ("people", {"_id": b"x", "code": "x"}),
        ("people", {"_id": "lost"}),
        ("stock", {"_id": {"store": "s", "product": b"p"}, "store": "s", "product": b"p"}),
        ("stock", {"_id": {"store": "s"}, "store": "s", "product": "p"}),
    ]
    pair.database["people"].insert_one({"code": "a"})
    pair.meet()
    for name, document in strays:
        pair.store.insert(name, [document])
    pair.device("UPDATE people SET n = 1 WHERE _id = 'a'")
    pair.meet()
    pair.meet()
    assert pair.in_mongo("people", code="a") == {"code": "a", "n": 1}
    assert len(pair.unsynced) == len(strays)
    assert pair.database["keyed"].count_documents({}) == pair.database["stock"].count_documents({}) == 0
    for name, document in strays:
        assert pair.store.delete(name, [document["_id"]])
    pair.meet()
    assert pair.unsynced == {}
    assert pair.in_mongo("people", code="a") == {"code": "a", "n": 1}


def test_new_document_is_found_beside_a_deleted_one(pair: Pair) -> None:
    """The number of documents in the store is unchanged."""
    edited(pair, 3)
    pair.store.delete("things", ["000"])
    pair.store.insert("things", [{"_id": "new"}])
    pair.meet()
    assert sorted(pair.database["things"].distinct("_id")) == ["001", "002", "new"]


LARGE: dict[str, Any] = {
    "16 MB of BSON": {"ones": [1] * 1_700_000},
    "names": {f"field {number}": number for number in range(10_000)},
    "integers beyond 64 bits": {"n": [1, {"m": 2**64}]},
    "dollar": {"$n": 1},
    "dots": {"a.b": {"": 1}},
    "NUL": {"a\0b": 1},
}


@pytest.mark.parametrize("name", LARGE)
def test_unwritable_document_is_recorded_and_others_sync(pair: Pair, name: str) -> None:
    """It is a new document, and an edit of an existing one; at every start, and live."""
    edited(pair, 3)
    content = LARGE[name]
    pair.store.insert("things", [{"_id": "stray", **content}])
    pair.device("UPDATE things SET n = 1, m = :m WHERE _id = '001'", m=content)
    edit(pair, 1)
    pair.meet()
    assert pair.in_mongo("things", _id="000") == {"n": 1}
    with pair.live():
        pair.device("UPDATE things SET n = 2 WHERE _id = '002'")
        pair.eventually(lambda: pair.in_mongo("things", _id="002") == {"n": 2})
    ours = {each["_id"]: {k: v for k, v in each.items() if k != "_id"} for each in pair.database["things"].find()}
    theirs = {"stray": content, "001": {"n": 1, "m": content}}
    for key, document in theirs.items():
        crossed = ours.get(key) == document
        assert crossed != (("things", f'"{key}"') in pair.unsynced), key
    assert ours["001"] in (theirs["001"], {"n": 0})
    pair.database["things"].update_one({"_id": "000"}, {"$set": {"k": 1}})
    pair.store.delete("things", ["stray"])
    pair.device("UPDATE things SET m = 1 WHERE _id = '001'")
    pair.meet()
    assert pair.unsynced == {}
    assert pair.in_mongo("things", _id="001") == pair.in_store("things", "001") == {"n": 1, "m": 1}
    assert pair.in_store("things", "000") == {"n": 1, "k": 1}
