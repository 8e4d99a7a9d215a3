"""The state of the bridge, and its retry delays."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from bson import Int64, ObjectId, Timestamp
from pymongo import MongoClient

from conformance.ditto.connector import RetryStrategy
from conformance.errors import ConfigurationError, TargetError
from edge.bridge.mongo_side.backoff import batch_delays, copying_pause, link_delays
from edge.bridge.mongo_side.change_stream import as_number, time_of_token
from edge.bridge.mongo_side.recent_changes import Recent
from edge.bridge.state.ledger import Row
from edge.bridge.state.state import State
from edge.bridge.state.unsynced_documents import Unsynced
from edge.document_keys import key_of, name_of
from tests.edge.bridge.pair import Document

IDS: list[tuple[Any, Any]] = [
    ("text", "text"),
    ('quote"\\\n', 'quote"\\\n'),
    (7, 7),
    (True, True),
    ("field", ObjectId("0123456789abcdef01234567")),
    ({"b": 1, "a": "x"}, ObjectId("0123456789abcdef01234568")),
    ("other", "another text"),
    ("number", 12.5),
]


@pytest.fixture
def state(tmp_path: Path) -> Any:
    with State.open(tmp_path / "state") as opened:
        yield opened


def reopened(state: State) -> State:
    state.close()
    return State.open(state.directory)


@pytest.mark.parametrize(("identity", "mongo_id"), IDS, ids=lambda value: repr(value))
def test_row_is_found_by_the_ids_of_both_sides(state: State, identity: Any, mongo_id: Any) -> None:
    base = {"_id": identity, "n": 1, "long": 2**40, "none": None, "m": {"x": [1.5, {}]}}
    with state.transaction():
        state.ledger.save([Row("things", key_of(identity), mongo_id, base, seen=5, copied=2)])
    with reopened(state) as again:
        (row,) = again.ledger.rows("things", [key_of(identity)]).values()
        assert again.ledger.rows_by_mongo_id("things", [mongo_id]) == [row]
        assert (row.id, row.mongo_id, row.base, row.seen, row.copied) == (identity, mongo_id, base, 5, 2)
        assert type(row.mongo_id) is type(mongo_id)
        assert again.ledger.rows("others", [key_of(identity)]) == {}
        assert again.ledger.rows_by_mongo_id("things", ["no such"]) == []


def test_keys_of_different_ids_differ() -> None:
    ids = ["1", 1, True, "true", {"a": 1}, '{"a":1}', {"a": "1"}, "é", "e"]
    assert len({key_of(each) for each in ids}) == len(ids)
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert name_of(ObjectId("0" * 24)) != name_of("0" * 24)


def test_write_ahead_rows_are_found_until_they_are_committed(state: State) -> None:
    old, new = {"_id": "a", "n": 1}, {"_id": "a", "n": 2}
    rows = [
        Row("things", '"a"', "a", new, origin=old),
        Row("things", '"b"', "b", {"_id": "b"}),
        Row("things", '"c"', "c", None, origin={"_id": "c"}),
    ]
    with state.transaction():
        state.ledger.save([Row("things", '"a"', "a", old), Row("things", '"c"', "c", {"_id": "c"})])
    assert state.ledger.live["things"] == 2
    for row in (rows[0], rows[2]):
        row.counted = True
    with state.transaction():
        state.ledger.announce(rows)
    with reopened(state) as again:
        assert again.ledger.rows("things", ['"a"'])['"a"'].base == old
        found = again.ledger.unfinished()
        assert [(row.key, row.origin, row.base) for row in found] == [(row.key, row.origin, row.base) for row in rows]
        with again.transaction():
            again.ledger.settle(found)
        assert again.ledger.live["things"] == 2
        assert again.ledger.unfinished() == []
        assert again.ledger.rows("things", ['"a"'])['"a"'].base == new
        assert again.ledger.rows("things", ['"c"'])['"c"'].base is None


def test_pages_contain_every_row_once(state: State) -> None:
    with state.transaction():
        state.ledger.save([Row("things", key_of(f"{n:02}"), f"{n:02}", {"n": n}, copied=n % 2) for n in range(25)])
    pages, last = [], ""
    while page := state.ledger.page("things", last, 10):
        pages.append([row.id for row in page])
        last = page[-1].key
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [each for page in pages for each in page] == [f"{n:02}" for n in range(25)]
    assert len(state.ledger.not_met("things", 1, 100)) == 13


def test_failed_transaction_writes_nothing(state: State) -> None:
    with pytest.raises(ZeroDivisionError), state.transaction():
        state.put("a", 1)
        state.ledger.save([Row("things", '"a"', "a", {})])
        raise ZeroDivisionError
    assert state.get("a") is None
    assert state.ledger.rows("things", ['"a"']) == {}


def test_values_are_stored_and_removed(state: State) -> None:
    values = {"time": Timestamp(5, 6), "long": Int64(2**60), "token": {"_data": "82"}, "text": "x"}
    with state.transaction():
        for name, value in values.items():
            state.put(name, value)
        state.add_session(b"one")
        state.add_session(b"one")
    with reopened(state) as again:
        assert {name: again.get(name) for name in values} == values
        assert again.sessions() == {b"one"}
        with again.transaction():
            again.put("text", None)
        assert again.get("text") is None
        with again.transaction():
            again.forget()
        assert again.get("time") is None
        assert again.sessions() == set()


def test_unsynced_documents_are_kept_until_they_sync(state: State) -> None:
    first = Unsynced("things", "a", "to Ditto", "m.x", "the BSON type binData does not sync", content=b"1")
    with state.transaction():
        state.unsynced.park(first)
    (kept,) = state.unsynced
    with state.transaction():
        state.unsynced.park(Unsynced("things", "a", "to Ditto", "n", "nan"))
        state.unsynced.park(Unsynced("things", "a", "to MongoDB", "", "other"))
    with reopened(state) as again:
        assert ("things", "a", "to Ditto") in again.unsynced
        assert ("things", "b", "to Ditto") not in again.unsynced
        found = {each.direction: each for each in again.unsynced}
        assert (found["to Ditto"].reason, found["to Ditto"].since) == ("nan", kept.since)
        assert found["to Ditto"].as_json() == {
            "collection": "things",
            "key": "a",
            "direction": "to Ditto",
            "path": "n",
            "reason": "nan",
            "since": kept.since,
        }
        with again.transaction():
            again.unsynced.unpark("to Ditto", [("things", "a"), ("things", "unknown")])
        assert [each.direction for each in again.unsynced] == ["to MongoDB"]


def test_second_process_with_the_same_state_is_rejected(state: State) -> None:
    with pytest.raises(ConfigurationError, match="another bridge is running with this state"):
        State.open(state.directory)


def test_damaged_file_and_invalid_directory_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "bridge.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(TargetError, match="file is not a database"):
        State.open(tmp_path / "damaged")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TargetError, match="cannot be written there"):
        State.open(tmp_path / "file")


# Pace


def test_lost_connection_is_retried_at_once_and_then_with_growing_delays() -> None:
    for jitter in (0.0, 0.25):
        for expected, delay in zip((0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0), link_delays(jitter), strict=False):
            assert expected <= delay <= expected * (1 + jitter)


def test_bridges_reconnect_with_different_delays() -> None:
    assert len({tuple(islice(link_delays(0.5), 2)) for _ in range(20)}) > 15


def test_batch_is_retried_as_configured() -> None:
    waits = list(batch_delays(RetryStrategy(max_retries=3, backoff_multiplier=2, jitter=0)))
    assert len(waits) == 3
    assert waits[1] == 2 * waits[0]
    assert waits[2] == 2 * waits[1]


@pytest.mark.parametrize(("number", "rate", "seconds"), [(1000, 100, 10.0), (5, 100, 0.05), (1000, 0, 0.0)])
def test_copying_pauses_according_to_the_rate(number: int, rate: int, seconds: float) -> None:
    assert copying_pause(number, rate) == seconds


def test_recent_changes_since_a_marker_are_known() -> None:
    recent = Recent()
    recent.note("things", "before anybody asked")
    first = recent.mark()
    recent.note("things", "a")
    second = recent.mark()
    recent.note("things", "b")
    assert [recent.since("things", each, first) for each in ("before anybody asked", "a", "b")] == [False, True, True]
    assert [recent.since("things", each, second) for each in ("a", "b")] == [False, True]
    assert not recent.since("others", "b", second)
    recent.forget(second)
    assert [recent.since("things", each, first) for each in ("a", "b")] == [False, True]
    recent.rest()
    assert not recent.since("things", "b", first)


def test_time_of_a_resume_token_is_read(server: MongoClient[Document]) -> None:
    """The form is that of current servers; a token of another form counts as the present."""
    with server["tokens"]["things"].watch() as stream:
        server["tokens"]["things"].insert_one({})
        event = stream.next()
    assert time_of_token(event["_id"]) == as_number(event["clusterTime"])
    assert time_of_token({"_data": "??"}) > as_number(event["clusterTime"])
    server.drop_database("tokens")


DAMAGES = {
    "no database": lambda path: path.write_bytes(b"not a database at all" * 400),
    "spoilt pages": lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 40_000),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:6_000]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_state_is_reported_and_rebuilt(tmp_path: Path, damage: str) -> None:
    with State.open(tmp_path) as state, state.transaction():
        state.ledger.save([Row("things", f'"{each}"', f"{each}", {"_id": f"{each}"}) for each in range(1000)])
    DAMAGES[damage](tmp_path / "bridge.sqlite3")
    with (
        pytest.raises(
            TargetError, match=r"bridge\.sqlite3: the bridge's state is damaged \(.+\); run again with --new-state"
        ),
        State.open(tmp_path) as state,
    ):
        state.get("source")
    with State.open(tmp_path, anew=True) as state:
        assert state.get("source") is None
        assert state.ledger.live == {}
