"""Documents that others write in MongoDB while devices' edits of them are carried."""

from __future__ import annotations

from tests.edge.bridge.pair import Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]


def test_locked_document_does_not_block_others(pair: Pair) -> None:
    """A transaction in MongoDB locks one of 60 documents: the others sync both ways; it syncs afterwards."""
    things = pair.database["things"]
    things.insert_many([{"_id": f"{number:02}", "n": 0} for number in range(60)])
    pair.meet()
    with pair.live(), pair.database.client.start_session() as session:
        session.start_transaction()
        things.update_one({"_id": "17"}, {"$set": {"m": 1}}, session=session)
        pair.device("UPDATE things SET n = 2")
        pair.eventually(lambda: things.count_documents({"n": 2}) == 59)
        things.insert_one({"_id": "new"})
        pair.device("INSERT INTO things DOCUMENTS ({'_id': 'mine'})")
        pair.eventually(lambda: pair.in_store("things", "new") is not None)
        pair.eventually(lambda: pair.in_mongo("things", _id="mine") is not None)
        assert pair.in_mongo("things", _id="17") == {"n": 0}
        session.commit_transaction()
        pair.eventually(lambda: pair.in_mongo("things", _id="17") == {"n": 2, "m": 1})
        pair.eventually(lambda: pair.in_store("things", "17") == {"n": 2, "m": 1})
    assert pair.counts["conflicts"] == 0
    assert pair.unsynced == {}
