"""The comparison of the torture tests reports every kind of loss, and nothing for correct sides."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId

from tests.torture.comparison import (
    DELETED,
    MADE,
    NOTHING,
    Journal,
    Sides,
    Stray,
    alike,
    as_device_has_it,
    problems,
    text_of,
)

A, B, GONE = ("things", "a"), ("things", "b"), ("things", "gone")
BYTES, SEVEN = ("things", "bytes 6162"), ("things", "int 7")
UNSYNCED = {"collection": "things", "key": "?", "direction": "to MongoDB", "path": "", "reason": "bytes make no _id"}


def journal() -> Journal:
    """Return documents a and b, a deleted one, a field that each side writes, and one that both write."""
    made = Journal()
    for place in (A, B, GONE):
        made.note("try", "mongo", place, MADE)
        made.note("ack", "mongo", place, MADE)
    made.note("try", "device", GONE, DELETED)
    made.note("ack", "device", GONE, DELETED)
    write(made, "device", A, "d", 1, None)
    write(made, "device", A, "d", 2, 1)
    write(made, "mongo", A, "m", -1, NOTHING)
    write(made, "mongo", A, "both", -2, NOTHING)
    write(made, "device", A, "both", 3, -2)
    for name, identity, document in (("bytes", b"ab", {"_id": b"ab"}), ("seven", 7, {"_id": 7, "n": 1})):
        stray = Stray(name, "things", identity, document)
        made.note_stray("device", "try", stray)
        made.note_stray("device", "ack", stray)
    return made


def write(made: Journal, writer: str, place: tuple[str, str], what: str, value: int, saw: Any) -> None:
    made.note("try", writer, place, what, value, saw)
    made.note("ack", writer, place, what, value)


def sides() -> Sides:
    """Return the content of both sides without any loss."""
    a, b = {"_id": "a", "d": 2, "m": -1, "both": 3}, {"_id": "b"}
    store = {"a": {A: dict(a), B: dict(b)}}
    strays = {BYTES: {"_id": b"ab"}, SEVEN: {"_id": 7, "n": 1}}
    return Sides({A: a, B: b}, store, {SEVEN: {"_id": 7, "n": 1}}, {"a": strays}, [UNSYNCED])


def test_correct_sides_have_no_problem() -> None:
    assert problems(journal(), sides()) == []


def both(change: Callable[[Any], None]) -> Callable[[Sides], None]:
    """Return a change made on both sides."""

    def change_both(held: Sides) -> None:
        change(held.mongo)
        change(held.stores["a"])

    return change_both


def set_a(**fields: Any) -> Callable[[Sides], None]:
    return both(lambda held: held[A].update(fields))


DEFECTS: dict[str, tuple[Callable[[Sides], Any], str]] = {
    "a document is lost on both sides": (both(lambda held: held.pop(B)), "was made, was never deleted, and is lost"),
    "a document is lost in MongoDB": (lambda held: held.mongo.pop(B), "only in the store"),
    "a document is lost on the device": (lambda held: held.stores["a"].pop(B), "only in MongoDB"),
    "a deleted document is back": (both(lambda held: held.update({GONE: {"_id": "gone"}})), "was deleted and is back"),
    "a document from nowhere": (both(lambda held: held.update({("things", "x"): {"_id": "x"}})), "no writer made it"),
    "a device's write is reverted": (set_a(d=1), "1 instead of 2"),
    "a device's write is lost": (both(lambda held: held[A].pop("d")), "None instead of 2"),
    "a client's write is lost": (both(lambda held: held[A].pop("m")), "None instead of -1"),
    "a value that was overwritten is back": (set_a(both=-2), "-2 is back; device had overwritten it with 3"),
    "a value that was never written": (set_a(both=9), "9 was never written"),
    "sides differ": (lambda held: held.stores["a"][A].update(m=-9), "MongoDB has"),
    "an integer became a double": (lambda held: held.stores["a"][A].update(d=2.0), "MongoDB has"),
    "a stray is lost": (lambda held: held.store_strays["a"].pop(BYTES), "stray bytes: is lost"),
    "a stray was changed": (lambda held: held.store_strays["a"].update({SEVEN: {"_id": 7, "n": 2}}), "was changed"),
    "a stray differs": (lambda held: held.mongo_strays.update({SEVEN: {"_id": 7, "n": True}}), "differs on both"),
    "a stray is not reported": (lambda held: held.unsynced.clear(), "1 documents of things did not cross"),
    "a stray without a reason": (lambda held: held.unsynced[0].update(reason=""), "without a reason"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_is_reported(defect: str) -> None:
    held = copy.deepcopy(sides())
    break_it, expected = DEFECTS[defect]
    break_it(held)
    assert any(expected in line for line in problems(journal(), held)), problems(journal(), held)


def test_temporarily_reverted_write_is_reported() -> None:
    made = journal()
    write(made, "device", B, "d", 5, None)
    write(made, "device", B, "d", 6, 5)
    write(made, "device", B, "d", 7, 5)
    held = sides()
    both(lambda side: side[B].update(d=7))(held)
    assert problems(made, held) == ["things b, d: device wrote 6 and then saw 5: it was reverted under way"]


def test_unacknowledged_write_may_be_present_or_absent() -> None:
    made = journal()
    made.note("try", "device", A, "d", 9, 2)
    for value in (2, 9):
        held = sides()
        set_a(d=value)(held)
        assert problems(made, held) == []


def test_either_of_two_concurrent_writes_may_win() -> None:
    made = journal()
    write(made, "mongo", A, "both", -5, -2)
    for value, expected in ((3, 0), (-5, 0), (-2, 1)):
        held = sides()
        set_a(both=value)(held)
        assert bool(problems(made, held)) == bool(expected)


def test_values_are_converted_as_on_devices() -> None:
    identity = ObjectId()
    mongo = {"a": Int64(5), "b": [Decimal128("1.50"), identity], "c": dt.datetime(2026, 1, 2, 3, 4, 5, 6000)}
    assert as_device_has_it(mongo) == {"a": 5, "b": ["1.50", str(identity)], "c": "2026-01-02T03:04:05.006Z"}
    with pytest.raises(ValueError, match="Binary"):
        as_device_has_it({"a": [Binary(b"x", 5)]})


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (1, True), ({"a": 1}, {"a": 1, "b": None}), ([1], [1, 1])])
def test_values_of_different_types_are_different(left: Any, right: Any) -> None:
    assert not alike(left, right)


def test_identities_have_distinct_texts() -> None:
    identities = [1, True, "1", b"1", 1.0, None, [1], {"a": 1}, {"a": True}]
    assert len(set(map(text_of, identities))) == len(identities)
    assert text_of({"b": 1, "a": Int64(2)}) == text_of({"a": 2, "b": 1})
