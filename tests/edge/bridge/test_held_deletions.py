"""Mass deletions on one side: documents stay on the other side until a user accepts the deletion."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from edge.bridge.bridge import Bridge
from edge.bridge.held_deletions import Holds
from edge.bridge.state.state import State
from tests.edge.bridge.pair import Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]

NUMBER = 40
LIVE = pytest.mark.parametrize("live", [False, True], ids=["between runs", "live"])
DROPS: Mapping[str, Callable[[Pair], object]] = {
    "dropped": lambda pair: pair.database["things"].drop(),
    "renamed": lambda pair: pair.database["things"].rename("elsewhere"),
    "dropped with its database": lambda pair: pair.database.client.drop_database(pair.database.name),
}


def begin(pair: Pair) -> None:
    """Sync documents to both sides."""
    pair.database["things"].insert_many([{"_id": f"{each}", "n": 0} for each in range(NUMBER)])
    pair.meet()


def meet(pair: Pair, *, accept: bool = False) -> Bridge:
    """Run until both sides are in sync, or deletions are held."""
    pair.notices.clear()
    pair.accept_drop = accept
    with pair.bridge() as bridge:
        assert bridge.run(once=True)
    return bridge


def notices_with(pair: Pair, text: str) -> list[str]:
    return [line for line in pair.notices if text in line]


@LIVE
@pytest.mark.parametrize("what", DROPS)
def test_dropped_collection_is_reported_and_kept_on_devices(pair: Pair, what: str, live: bool) -> None:
    """The store keeps all documents at every start until the drop is accepted; new documents of MongoDB sync."""
    begin(pair)
    told = f"things was {what} in MongoDB: comparing all documents"
    if live:
        with pair.live():
            DROPS[what](pair)
            # A dropped database is two events, that of the collection and its own; the first may come alone.
            pair.eventually(lambda: notices_with(pair, told) and notices_with(pair, "they stay in the store"))
    else:
        DROPS[what](pair)
        meet(pair)
        assert notices_with(pair, told)
    reason = f"things: {NUMBER} of {NUMBER} documents are gone in MongoDB (the collection was dropped or renamed); they"
    assert notices_with(pair, reason)
    pair.database["things"].insert_one({"_id": "new", "n": 1})
    bridge = meet(pair)
    assert notices_with(pair, f"things: {NUMBER} of {NUMBER + 1} documents are gone in MongoDB")
    assert bridge.holds.as_json() == [{"collection": "things", "documents": NUMBER, "kept_in": "the store"}]
    assert pair.store.count("things") == NUMBER + 1
    meet(pair, accept=True)
    assert pair.notices == []
    assert pair.store.execute("SELECT * FROM things") == [{"_id": "new", "n": 1}]
    assert meet(pair).holds.as_json() == []


def test_recreated_collection_syncs_again(pair: Pair) -> None:
    begin(pair)
    pair.database["things"].rename("elsewhere")
    assert meet(pair).holds.as_json()
    pair.database["elsewhere"].rename("things")
    assert meet(pair).holds.as_json() == []
    assert pair.store.count("things") == pair.database["things"].count_documents({}) == NUMBER
    pair.device("UPDATE things SET n = 1")
    meet(pair)
    assert pair.database["things"].count_documents({"n": 1}) == NUMBER


def test_edit_of_a_held_document_is_recorded(pair: Pair) -> None:
    begin(pair)
    pair.database["things"].drop()
    meet(pair)
    pair.device("UPDATE things SET n = 1 WHERE _id = '7'")
    meet(pair)
    assert [each.reason for each in pair.unsynced.values()] == [
        "it is gone in MongoDB, with many others: see --accept-drop"
    ]
    assert pair.in_store("things", "7") == {"n": 1}


def test_few_deletions_after_a_drop_are_synced(pair: Pair) -> None:
    """The collection is replaced by almost the same one."""
    begin(pair)
    pair.database["copy"].insert_many([{"_id": f"{each}", "n": 1} for each in range(4, NUMBER)])
    pair.database["copy"].rename("things", dropTarget=True)
    assert meet(pair).holds.as_json() == []
    assert pair.store.count("things") == NUMBER - 4
    assert pair.in_store("things", "7") == {"n": 1}


def test_deletions_by_users_are_synced(pair: Pair) -> None:
    begin(pair)
    pair.database["things"].delete_many({"_id": {"$lt": "3"}})
    assert meet(pair).holds.as_json() == []
    left = pair.database["things"].count_documents({})
    assert pair.store.count("things") == left < NUMBER * 0.8
    with pair.live():
        for key in pair.database["things"].distinct("_id")[:5]:
            pair.device("DELETE FROM things WHERE _id = :id", id=key)
        pair.eventually(lambda: pair.database["things"].count_documents({}) == left - 5)


@pytest.mark.parametrize("at_once", [True, False], ids=["one statement", "one by one"])
def test_mass_deletion_by_devices_is_held(pair: Pair, at_once: bool) -> None:
    """Earlier deletions stay deleted; other writes of devices sync."""
    begin(pair)
    pair.notices.clear()
    with pair.live() as bridge:
        for each in range(30):
            if not at_once:
                pair.device("DELETE FROM things WHERE _id = :id", id=f"{each}")
        if at_once:
            pair.store.delete("things", [f"{each}" for each in range(30)])
        pair.eventually(lambda: notices_with(pair, "are gone in the store; they stay in MongoDB"))
        pair.eventually(
            lambda: len(bridge.holds.kept_in_mongo("things")) == pair.database["things"].count_documents({}) - 10
        )
        pair.database["things"].update_one({"_id": "29"}, {"$set": {"n": 5}})
        pair.device("UPDATE things SET n = 5 WHERE _id = '36'")
        pair.eventually(lambda: pair.in_mongo("things", _id="36") == {"n": 5})
    left = pair.database["things"].count_documents({})
    assert bridge.holds.as_json() == [{"collection": "things", "documents": left - 10, "kept_in": "MongoDB"}]
    assert left == NUMBER if at_once else left >= NUMBER - 10
    meet(pair, accept=True)
    assert pair.database["things"].count_documents({}) == pair.store.count("things") == 10


def test_mass_deletion_before_a_lost_position_is_held(pair: Pair) -> None:
    begin(pair)
    pair.database["things"].delete_many({"_id": {"$gt": "2"}})
    with State.open(pair.folder / "state") as state, state.transaction():
        state.put("token", {"_data": "lost"})
    gone = NUMBER - pair.database["things"].count_documents({})
    pair.database["elsewhere"].insert_one({})  # later than the deletions, as the present is
    meet(pair)
    assert notices_with(pair, f"things: {gone} of {NUMBER} documents are gone in MongoDB; they stay in the store")
    assert pair.store.count("things") == NUMBER
    meet(pair, accept=True)
    assert pair.store.count("things") == NUMBER - gone


@pytest.mark.parametrize("how", ["delete", "evict"])
def test_mass_deletion_in_the_store_before_a_restart_is_held(pair: Pair, how: str) -> None:
    begin(pair)
    getattr(pair.store, how)("things", [f"{each}" for each in range(20)])
    for _ in range(2):
        bridge = meet(pair)
        assert notices_with(pair, f"things: 20 of {NUMBER} documents are gone in the store; they stay in MongoDB")
        assert bridge.holds.as_json() == [{"collection": "things", "documents": 20, "kept_in": "MongoDB"}]
        assert pair.database["things"].count_documents({}) == NUMBER
    pair.notices.clear()
    with pair.live():
        pair.device("UPDATE things SET n = 1 WHERE _id = '30'")
        pair.database["things"].update_one({"_id": "3"}, {"$set": {"n": 2}})
        pair.eventually(lambda: pair.in_mongo("things", _id="30") == {"n": 1})
    assert len(notices_with(pair, "are gone in the store")) == 1
    assert pair.database["things"].count_documents({}) == NUMBER
    meet(pair, accept=True)
    assert pair.database["things"].count_documents({}) == pair.store.count("things") == NUMBER - 20


def test_few_deletions_in_the_store_before_a_restart_are_synced(pair: Pair) -> None:
    begin(pair)
    pair.store.delete("things", [f"{each}" for each in range(10)])
    assert meet(pair).holds.as_json() == []
    assert pair.database["things"].count_documents({}) == NUMBER - 10


@pytest.mark.parametrize(
    ("gone", "live", "dropped", "held"),
    [
        (0, 0, True, False),
        (1, 1, True, True),
        (1, 10, True, False),
        (2, 19, True, True),
        (10, 10, False, False),
        (11, 11, False, True),
        (11, 110, False, False),
        (12, 119, False, True),
    ],
)
def test_threshold_of_a_mass_deletion_is_exact(gone: int, live: int, dropped: bool, held: bool) -> None:
    lines: list[str] = []
    assert Holds(lines.append, accept=False).keeps_in_store("c", gone, live, dropped=dropped) == held
    assert len(lines) == held
    assert not Holds(lines.append, accept=True).keeps_in_store("c", gone, live, dropped=dropped)
