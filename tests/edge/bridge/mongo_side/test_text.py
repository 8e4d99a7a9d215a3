"""Strings in MongoDB that are not UTF-8: servers accept them, devices do not; they are recorded and never changed."""

from __future__ import annotations

from threading import Thread

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from tests.edge.bridge.pair import Document, Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]


def broken(document: Document) -> RawBSONDocument:
    """Return the document with each "X" in its texts and names turned into a byte that is not UTF-8."""
    return RawBSONDocument(bson.encode(document).replace(b"X", b"\xff"))


def raw(pair: Pair) -> set[bytes]:
    """Return the documents of things as MongoDB has them."""
    return {
        each.raw
        for each in pair.database.get_collection("things", bson.codec_options.CodecOptions(RawBSONDocument)).find()
    }


REASON = "a string that is not UTF-8, for example half a character"
DOCUMENTS: dict[str, Document] = {
    "value": {"_id": "a", "v": "1X2"},
    "nested value": {"_id": "a", "v": [{"w": "1X2"}]},
    "name": {"_id": "a", "nXm": 1},
    "id": {"_id": "aXb", "v": 1},
    "nested id": {"_id": {"a": "X"}, "v": 1},
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("live", [False, True], ids=["copied", "live"])
def test_text_that_is_not_utf8_is_recorded(pair: Pair, kind: str, live: bool) -> None:
    document = broken(DOCUMENTS[kind])
    things = pair.database["things"]
    things.insert_one({"_id": "fine", "v": 1})
    if live:
        with pair.live():
            things.insert_one(document)
            things.update_many({}, {"$set": {"n": 2}})
            pair.eventually(lambda: pair.in_store("things", "fine") == {"v": 1, "n": 2})
    else:
        things.insert_one(document)
        things.update_many({}, {"$set": {"n": 2}})
    before = raw(pair)
    pair.meet()
    assert raw(pair) == before
    assert pair.store.execute("SELECT * FROM things") == [{"_id": "fine", "v": 1, "n": 2}]
    (unsynced,) = pair.unsynced.values()
    assert unsynced.reason == ("the BSON type object is not allowed in an _id" if kind == "nested id" else REASON)
    pair.meet()
    assert [each.reason for each in pair.unsynced.values()] == [unsynced.reason]
    things.delete_many({"_id": {"$ne": "fine"}})
    pair.meet()
    assert pair.unsynced == {}


def test_repaired_text_syncs(pair: Pair) -> None:
    pair.database["things"].insert_one(broken(DOCUMENTS["value"]))
    pair.meet()
    assert pair.store.count("things") == 0
    pair.database["things"].update_one({"_id": "a"}, {"$set": {"v": "12"}})
    pair.meet()
    assert (pair.in_store("things", "a"), pair.unsynced) == ({"v": "12"}, {})


def test_ids_that_are_not_utf8_do_not_block_the_copy(pair: Pair) -> None:
    """Several pages of them, at the end of pages and of the collection."""
    pair.settings = pair.settings.model_copy(update={"batch_size": 2})
    names = [f"{letter}{number}" for letter in "aXbX" for number in range(5)]
    pair.database["things"].insert_many([broken({"_id": each, "n": 1}) for each in dict.fromkeys(names)])
    thread = Thread(target=pair.meet, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert pair.store.count("things") == 10
    assert len(pair.unsynced) == 5
