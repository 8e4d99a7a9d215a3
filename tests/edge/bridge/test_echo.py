"""The bridge does not mistake foreign writes for its own, even through a shared client of MongoDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pymongo import MongoClient

from edge.bridge.synced_collection import Synced
from tests.edge.bridge.pair import Document, Pair, edge, pair, paired, synced

__all__ = ["edge", "pair", "synced"]


def transaction(pair: Pair, number: int) -> None:
    """Run a foreign transaction through the client of the bridge."""
    with pair.database.client.start_session() as session, session.start_transaction():
        pair.database["things"].update_one({"_id": "a"}, {"$set": {"n": number}}, session=session)


def both(pair: Pair) -> Document | None:
    """The document, which is the same on both sides."""
    ours = pair.in_mongo("things", _id="a")
    assert pair.in_store("things", "a") == ours
    return ours


def test_foreign_transaction_is_synced(pair: Pair) -> None:
    """The transaction runs before the first run of the bridge, and just after its own write."""
    pair.database["things"].insert_many([{"_id": "a", "n": 0}, {"_id": "b", "n": 0}])
    for number in (1, 2, 3):
        transaction(pair, number)
        pair.meet()
        assert both(pair) == {"n": number}
        pair.device("UPDATE things SET n = :n WHERE _id = 'b'", n=number)
        pair.meet()
        assert pair.in_mongo("things", _id="b") == {"n": number}
    assert pair.counts["conflicts"] == 0


@pytest.fixture
def other(server: MongoClient[Document], tmp_path: Path, pair: Pair, synced: Mapping[str, Synced]) -> Iterator[Pair]:
    """Another store that syncs with the same database through the same client."""
    with paired(server, tmp_path / "other", synced) as both:
        both.database = pair.database
        yield both


def test_two_bridges_with_one_client_sync_the_writes_of_each_other(pair: Pair, other: Pair) -> None:
    """Writes of one bridge reach the other, one after the other and concurrently."""
    pair.database["things"].insert_one({"_id": "a", "n": 0})
    pair.meet()
    other.meet()
    for number, (writer, reader) in enumerate(((other, pair), (pair, other)), 1):
        writer.device("UPDATE things SET n = :n WHERE _id = 'a'", n=number)
        writer.meet()
        reader.meet()
        assert both(reader) == {"n": number}
    with pair.live(), other.live():
        pair.device("UPDATE things SET n = 100 WHERE _id = 'a'")
        other.eventually(lambda: other.in_store("things", "a") == {"n": 100})
        other.device("UPDATE things SET n = 101 WHERE _id = 'a'")
        pair.eventually(lambda: pair.in_store("things", "a") == {"n": 101})
    assert pair.counts["conflicts"] == other.counts["conflicts"] == 0
