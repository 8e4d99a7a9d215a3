"""Edits of devices reach MongoDB before the bridge receives earlier events from there: nothing is undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest
from pymongo.collection import Collection

from edge.bridge.mongo_side.change_stream import Batch, ChangeStream
from tests.edge.bridge.pair import Document, Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]

_UPDATE = "UPDATE things SET n = 2 WHERE _id = 'a'"
_DELETE = "DELETE FROM things WHERE _id = 'a'"
_INSERT = "INSERT INTO things DOCUMENTS ({'_id': 'a', 'n': 2})"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """While it is not set, no bridge receives events from MongoDB."""
    gate, take = Event(), ChangeStream.take
    gate.set()

    def held(stream: ChangeStream, limit: int, timeout: float) -> Batch | None:
        return take(stream, limit, timeout) if gate.wait(timeout) else None

    monkeypatch.setattr(ChangeStream, "take", held)
    yield gate
    gate.set()


def replace(things: Collection[Document]) -> None:
    things.replace_one({"_id": "a"}, {"n": 0, "m": 1})


def set_and_set_back(things: Collection[Document]) -> None:
    things.update_one({"_id": "a"}, {"$set": {"n": 1}})
    things.update_one({"_id": "a"}, {"$set": {"n": 0}})


def delete_and_make(things: Collection[Document]) -> None:
    things.delete_one({"_id": "a"})
    things.insert_one({"_id": "a", "n": 0})


def make_and_delete(things: Collection[Document]) -> None:
    things.insert_one({"_id": "a", "n": 0})
    things.delete_one({"_id": "a"})


def make_a_double(things: Collection[Document]) -> None:
    things.update_one({"_id": "a"}, {"$set": {"n": 0.0}})


@dataclass(frozen=True)
class Case:
    """``begun``: the document on both sides at first; ``expected`` in the end."""

    in_mongo: Callable[[Collection[Document]], None]
    by_device: str
    expected: Document | None
    begun: bool = True

    @property
    def name(self) -> str:
        return f"{self.in_mongo.__name__} {self.by_device.split()[0]}"


CASES = [
    Case(replace, _UPDATE, {"n": 2, "m": 1}),
    Case(set_and_set_back, _UPDATE, {"n": 2}),
    Case(delete_and_make, _UPDATE, {"n": 2}),
    Case(make_a_double, _UPDATE, {"n": 2}),
    Case(replace, _DELETE, None),
    Case(set_and_set_back, _DELETE, None),
    Case(delete_and_make, _DELETE, None),
    Case(make_and_delete, _INSERT, {"n": 2}, begun=False),
]


@pytest.mark.parametrize("stopped", [False, True], ids=["live", "stopped"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_edit_of_a_device_is_not_undone_by_earlier_events(
    pair: Pair, gate: Event, case: Case, *, stopped: bool
) -> None:
    """Both sides have the last edit of the device, whether the bridge then continues or is restarted."""
    things: Collection[Any] = pair.database["things"]
    things.insert_one({"_id": "z"})
    if case.begun:
        things.insert_one({"_id": "a", "n": 0})
    pair.meet()
    with pair.live():
        gate.clear()
        time.sleep(0.5)  # a look at the stream that has begun
        case.in_mongo(things)
        pair.device(case.by_device)
        written = None if case.expected is None else case.expected["n"]
        pair.eventually(lambda: (pair.in_mongo("things", _id="a") or {"n": None})["n"] == written)
        time.sleep(0.1 if stopped else 0.5)
        if not stopped:
            gate.set()
            things.insert_one({"_id": "last"})
            pair.eventually(lambda: pair.in_store("things", "last") is not None)
    gate.set()
    pair.meet()
    assert pair.in_mongo("things", _id="a") == case.expected
    assert pair.in_store("things", "a") == case.expected
