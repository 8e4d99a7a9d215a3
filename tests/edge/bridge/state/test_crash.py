"""Changes between two steps of the bridge, killed there or not, are neither lost nor undone.

A kill is an exception here, raised between the steps: nothing after it is written. test_bridge_kill.py kills for real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from edge.bridge import outbound
from edge.bridge.state.ledger import Ledger
from edge.bridge.store_side.store_writer import Arrival
from tests.edge.bridge.pair import Document, Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]


class Killed(Exception):  # noqa: N818 - it stands for a signal
    """SIGKILL."""


@contextmanager
def killed(patch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> Iterator[None]:
    """Stop the bridge before or after its next call of the function; restore the function at the end."""
    original = getattr(owner, name)

    def dying(*arguments: Any, **options: Any) -> Any:
        if after:
            original(*arguments, **options)
        raise Killed

    with patch.context() as inner:
        inner.setattr(owner, name, dying)
        with pytest.raises(Killed):
            yield


@pytest.fixture
def agreed(pair: Pair) -> Pair:
    """Both sides with one equal document."""
    pair.database["things"].insert_one({"_id": "a", "n": 1, "m": {"x": 1}})
    pair.meet()
    return pair


def both(pair: Pair) -> Document | None:
    """Return the document, and assert that it is equal on both sides."""
    ours = pair.in_mongo("things", _id="a")
    assert pair.in_store("things", "a") == ours
    return ours


Meanwhile = Callable[[Pair], object]


def device(dql: str) -> Meanwhile:
    return lambda pair: pair.device(f"{dql} WHERE _id = 'a'")


def mongo(update: Any) -> Meanwhile:
    things = lambda pair: pair.database["things"]  # noqa: E731
    if update is None:
        return lambda pair: things(pair).delete_one({"_id": "a"})
    return lambda pair: things(pair).update_one({"_id": "a"}, {"$set": update})


#: Direction to the store: the write in MongoDB, whether the kill came after the store was written, events while the
#: bridge was dead, and the document that both sides hold in the end.
TO_STORE: dict[str, tuple[Any, bool, Meanwhile | None, Document | None]] = {
    "an update, not arrived": ({"n": 2}, False, None, {"n": 2, "m": {"x": 1}}),
    "an update, arrived": ({"n": 2}, True, None, {"n": 2, "m": {"x": 1}}),
    "arrived, and a device went on": ({"n": 2}, True, device("UPDATE things SET n = 3"), {"n": 3, "m": {"x": 1}}),
    "arrived, and a device removed it": ({"n": 2}, True, device("UPDATE things UNSET n"), {"m": {"x": 1}}),
    "arrived, and a device edited another field": (
        {"n": 2},
        True,
        device("UPDATE things SET m.y = 3"),
        {"n": 2, "m": {"x": 1, "y": 3}},
    ),
    "not arrived, and MongoDB went on": ({"n": 2}, False, mongo({"n": 3}), {"n": 3, "m": {"x": 1}}),
    "arrived, and MongoDB went on": ({"n": 2}, True, mongo({"n": 3}), {"n": 3, "m": {"x": 1}}),
    "a deletion, not arrived": (None, False, None, None),
    "a deletion, arrived": (None, True, None, None),
    "arrived, and a device deleted it": ({"n": 2}, True, device("DELETE FROM things"), None),
}


@pytest.mark.parametrize("case", TO_STORE)
def test_bridge_killed_before_or_after_writing_the_store_loses_nothing(
    agreed: Pair, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    update, after, meanwhile, expected = TO_STORE[case]
    mongo(update)(agreed)
    with killed(monkeypatch, Arrival, "bring", after=after):
        agreed.meet()
    if meanwhile is not None:
        meanwhile(agreed)
    agreed.meet()
    assert both(agreed) == expected
    assert agreed.counts["conflicts"] == 0


#: Direction to MongoDB: the write of a device, events while the bridge was dead, and the document that both sides hold
#: in the end. The kill comes when MongoDB has committed and the ledger has not.
TO_MONGO: dict[str, tuple[str, Meanwhile | None, Document | None]] = {
    "nothing else": ("UPDATE things SET n = 2", None, {"n": 2, "m": {"x": 1}}),
    "MongoDB went on": ("UPDATE things SET n = 2", mongo({"n": 7}), {"n": 7, "m": {"x": 1}}),
    "the device went on": ("UPDATE things SET n = 2", device("UPDATE things SET n = 3"), {"n": 3, "m": {"x": 1}}),
    "the device went back": ("UPDATE things SET n = 2", device("UPDATE things SET n = 1"), {"n": 1, "m": {"x": 1}}),
    "a key, and the device went on": (
        "UPDATE things SET m.y = 2",
        device("UPDATE things SET m.y = 3"),
        {"n": 1, "m": {"x": 1, "y": 3}},
    ),
    "another field in MongoDB": ("UPDATE things SET n = 2", mongo({"m.y": 5}), {"n": 2, "m": {"x": 1, "y": 5}}),
    "a deletion": ("DELETE FROM things", None, None),
    "a deletion, and MongoDB edits": ("DELETE FROM things", mongo({"n": 7}), None),
}


@pytest.mark.parametrize("case", TO_MONGO)
def test_bridge_killed_before_or_after_writing_mongodb_loses_nothing(
    agreed: Pair, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    dql, meanwhile, expected = TO_MONGO[case]
    device(dql)(agreed)
    with killed(monkeypatch, outbound, "time_of", after=False):
        agreed.meet()
    if meanwhile is not None:
        meanwhile(agreed)
    agreed.meet()
    assert both(agreed) == expected
    assert agreed.counts["conflicts"] == 0


def test_bridge_killed_after_an_insert_in_mongodb_makes_no_duplicate(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It exists once, although the store does not know its _id in MongoDB."""
    pair.meet()
    pair.store.insert("people", [{"_id": "p", "code": "p", "n": 1}])
    with killed(monkeypatch, outbound, "time_of", after=False):
        pair.meet()
    pair.device("UPDATE people SET n = 2 WHERE _id = 'p'")
    pair.meet()
    assert pair.database["people"].count_documents({}) == 1
    assert pair.in_mongo("people", code="p") == pair.in_store("people", "p") == {"code": "p", "n": 2}
    assert pair.unsynced == {}


def test_bridge_killed_while_copying_a_page_keeps_device_edits(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device edits a document of the page before the bridge has recorded the page as copied."""
    pair.database["things"].insert_many([{"_id": f"{number:03}", "n": number} for number in range(120)])
    with killed(monkeypatch, Ledger, "settle", after=False):
        pair.meet()
    assert pair.store.count("things") == pair.settings.batch_size
    pair.device("UPDATE things SET n = -1 WHERE _id = '003'")
    pair.database["things"].update_one({"_id": "004"}, {"$set": {"n": -2}})
    pair.store.delete("things", ["005"])
    pair.database["things"].delete_one({"_id": "006"})
    pair.meet()
    pair.meet()
    ours = {each["_id"]: each["n"] for each in pair.database["things"].find()}
    assert {each["_id"]: each["n"] for each in pair.store.execute("SELECT * FROM things")} == ours
    assert (ours["003"], ours["004"], len(ours)) == (-1, -2, 118)
    assert not {"005", "006"} & ours.keys()


def test_edit_in_mongodb_without_an_event_is_not_overwritten(agreed: Pair) -> None:
    """A device's change of the same field does not overwrite it; one of another field is written."""
    with agreed.bridge() as bridge:
        mongo({"n": 7})(agreed)
        device("UPDATE things SET n = 2, m.y = 3")(agreed)
        flushed = bridge._outbound.flush("things", ['"a"'])
        assert (flushed.written, flushed.conflicts) == (1, 1)
        assert agreed.in_mongo("things", _id="a") == {"n": 7, "m": {"x": 1, "y": 3}}
        assert bridge.run(once=True)
    assert both(agreed) == {"n": 7, "m": {"x": 1, "y": 3}}


def test_repeated_edits_of_one_field_are_not_undone(agreed: Pair) -> None:
    """Events with its earlier values arrive while it continues, and none of them undoes a later edit."""
    with agreed.live():
        for number in range(2, 200):
            agreed.device("UPDATE things SET n = :n WHERE _id = 'a'", n=number)
        agreed.eventually(lambda: agreed.in_mongo("things", _id="a") == {"n": 199, "m": {"x": 1}})
    assert both(agreed) == {"n": 199, "m": {"x": 1}}
    assert agreed.counts["conflicts"] == 0


def test_late_event_of_an_own_write_undoes_nothing(agreed: Pair) -> None:
    """Two writes of a device are applied before the event of the first arrives; then the device writes once more."""
    with agreed.bridge() as bridge, agreed.database.watch() as stream:
        for number in (2, 3):
            agreed.device("UPDATE things SET n = :n WHERE _id = 'a'", n=number)
            assert bridge._outbound.flush("things", ['"a"']).written == 1
        bridge._inbound.apply([stream.next()], {})
        agreed.device("UPDATE things SET n = 4 WHERE _id = 'a'")
        flushed = bridge._outbound.flush("things", ['"a"'])
        assert (flushed.written, flushed.conflicts) == (1, 0)
        bridge._inbound.apply([stream.next(), stream.next()], {})
        assert bridge.run(once=True)
    assert both(agreed) == {"n": 4, "m": {"x": 1}}


def test_open_transaction_of_a_killed_run_is_aborted(agreed: Pair) -> None:
    """It would lock its documents, and MongoDB's catalogue, for a minute."""
    address = agreed.database.client.address
    assert address is not None
    with MongoClient[Document](*address, directConnection=True) as killed, killed.start_session() as session:
        with agreed.bridge() as bridge, bridge._state.transaction():
            bridge._state.add_session(bytes(session.session_id["id"]))
        session.start_transaction()
        killed[agreed.database.name]["things"].update_one({"_id": "a"}, {"$set": {"n": 7}}, session=session)
        device("UPDATE things SET n = 2")(agreed)
        with agreed.bridge() as bridge:
            assert bridge.run(once=True)
        with pytest.raises(PyMongoError):
            session.commit_transaction()
    assert both(agreed) == {"n": 2, "m": {"x": 1}}


def test_edit_of_a_locked_document_is_applied_after_the_lock(agreed: Pair) -> None:
    """The lock outlasts the retries of a batch: the bridge waits, and then applies the device's change."""
    with agreed.database.client.start_session() as session, agreed.bridge() as bridge:
        session.start_transaction()
        agreed.database["things"].update_one({"_id": "a"}, {"$set": {"m.x": 7}}, session=session)
        device("UPDATE things SET n = 2")(agreed)
        ending = Timer(2, session.commit_transaction)
        ending.start()
        assert bridge.run(once=True)
        ending.join()
    assert both(agreed) == {"n": 2, "m": {"x": 7}}
