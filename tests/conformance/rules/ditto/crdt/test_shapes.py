"""Shapes of documents on devices: limits of size and depth, maps, ids and deletion flags of the shipped model."""

from __future__ import annotations

import datetime as dt
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex

from conformance.model.kinds import MAX_INTEGER
from tests.conformance.rules.ditto.crdt.limits import HARD_SIZE, MAX_DEPTH, MAX_ID_BYTES, TYPICAL_SIZE, why
from tests.conformance.rules.finding import Finding

Document = dict[str, Any]


def nested(levels: int, innermost: Any) -> Any:
    """Return the value inside this number of objects."""
    value = innermost
    for _ in range(levels):
        value = {"in": value}
    return value


WALKED = [
    ("arrays", {"a": [1, 2]}, "a is an array of length 2"),
    ("arrays", {"a": {"b": []}}, "a.b is an array of length 0"),
    ("arrays", {"a": {"b": 1}, "c": [{"d": [1]}]}, "c is an array of length 1"),
    ("arrays", {"a": {"0": 1}}, None),
    ("nulls", {"a": None}, "a is null"),
    ("nulls", {"a": {"b": [1, None]}}, "a.b[1] is null"),
    ("nulls", {"a": 0, "b": "", "c": {}}, None),
    ("names", {"a": {"_b": 1}}, 'a._b: "_b" is not a name that syncs both ways'),
    ("names", {"_b": 1}, '_b: "_b" is not a name that syncs both ways'),
    ("names", {"a": {"_id": 1}}, 'a._id: "_id" is not a name that syncs both ways'),
    ("names", {"a": {"b.c": 1}}, 'a.b.c: "b.c" is not a name that syncs both ways'),
    ("names", {"a": {"b$": 1}}, 'a.b$: "b$" is not a name that syncs both ways'),
    ("names", {"a": {"": 1}}, 'a.: "" is not a name that syncs both ways'),
    ("names", {"a": {"b_": 1, "c-d é": 2}}, None),
    ("types", {"a": dt.datetime(2024, 1, 2)}, "a is 2024-01-02T00:00:00Z (date)"),
    ("types", {"a": Decimal128("1.5")}, "a is 1.5 (decimal)"),
    ("types", {"a": Binary(b"x", 128)}, "a is 0x78 (binData, subtype 128)"),
    ("types", {"a": ObjectId("6f1d2b2e0c1a4b5a9d550a4c")}, "a is 6f1d2b2e0c1a4b5a9d550a4c (objectId)"),
    ("types", {"a": b"x"}, "a is 0x78 (binData, subtype 0)"),
    ("types", {"a": Regex("x")}, "a is /x/ (regex)"),
    ("types", {"a": {"b": float("inf")}}, "a.b is Infinity"),
    ("types", {"a": [float("-inf")]}, "a[0] is -Infinity"),
    ("types", {"a": float("nan")}, "a is NaN"),
    (
        "types",
        {"a": Int64(MAX_INTEGER), "b": Int64(-MAX_INTEGER), "c": 1.5, "d": True, "e": None, "f": [], "g": {}},
        None,
    ),
    ("types", {"a": Int64(MAX_INTEGER + 1)}, f"a is {MAX_INTEGER + 1} (long)"),
    ("types", {"a": Int64(-MAX_INTEGER - 1)}, f"a is {-MAX_INTEGER - 1} (long)"),
    ("depth", {"a": nested(MAX_DEPTH, {})}, f"a is nested {MAX_DEPTH + 1} levels deep or more"),
    ("depth", {"a": nested(MAX_DEPTH, [])}, f"a is nested {MAX_DEPTH + 1} levels deep or more"),
    ("depth", {"a": nested(MAX_DEPTH, 1), "b": nested(MAX_DEPTH - 1, {})}, None),
]


@pytest.mark.parametrize(("subject", "fields", "expected"), WALKED)
def test_nested_values_are_examined(subject: str, fields: Document, expected: str | None, found: Finding) -> None:
    assert why(found(f"crdt.orders.{subject}", orders=[{"_id": "o", **fields}])) == expected


def test_object_id_is_an_id(found: Finding) -> None:
    assert why(found("crdt.orders.types", orders=[{"_id": ObjectId(), "a": 1}])) is None


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ({"aisle": "A1", "shelf": "B"}, None),
        (["A1"], 'location is ["A1"], not a MAP'),
        ("A1", 'location is "A1", not a MAP'),
        ({"aisle": "A1"}, 'location lacks the keys ["shelf"]'),
        ({"aisle": "A1", "shelf": "B", "room": 1}, 'location has the undeclared keys ["room"]'),
        ({"z": 1, "b": 1}, 'location lacks the keys ["aisle", "shelf"] and has the undeclared keys ["b", "z"]'),
    ],
)
def test_map_with_other_keys_is_reported(location: Any, expected: str | None, found: Finding) -> None:
    assert why(found("crdt.inventory.maps", inventory=[{"_id": 1, "location": location}])) == expected


def test_absent_map_is_not_reported(found: Finding) -> None:
    assert why(found("crdt.inventory.maps", inventory=[{"_id": 1}])) is None


@pytest.mark.parametrize(
    ("size", "broken"),
    [
        (TYPICAL_SIZE - 1, set()),
        (TYPICAL_SIZE, {"typical-size"}),
        (HARD_SIZE - 1, {"typical-size"}),
        (HARD_SIZE, {"size", "typical-size"}),
    ],
)
def test_size_limit_is_exact_to_the_byte(size: int, broken: set[str], found: Finding) -> None:
    empty = len(bson.encode({"_id": "o", "notes": "", "a": 1}))
    document = {"_id": "o", "notes": "x" * (size - empty), "a": 1}
    for subject in ("size", "typical-size"):
        reason = why(found(f"crdt.orders.{subject}", orders=[document]))
        assert reason == ("the document is too large; its largest field is notes" if subject in broken else None)


@pytest.mark.parametrize(("length", "fits"), [(MAX_ID_BYTES, True), (MAX_ID_BYTES + 1, False)])
def test_id_length_is_measured_in_bytes(length: int, fits: bool, found: Finding) -> None:
    """The cases are a collection whose _id is the device's id, and one whose id field is."""
    key = "é" + "x" * (length - 2)
    assert why(found("crdt.inventory.id-size", inventory=[{"_id": key}])) == (
        None if fits else f"the id is {length} bytes long"
    )
    assert why(found("crdt.orders.id-size", orders=[{"_id": 1, "order_id": key}])) == (
        None if fits else f"the id is {length} bytes long"
    )


@pytest.mark.parametrize(("flag", "expected"), [(False, None), (1, "deleted is 1"), (None, "deleted is null")])
def test_deletion_flag_that_is_not_boolean_is_reported(flag: Any, expected: str | None, found: Finding) -> None:
    assert why(found("crdt.orders.soft-delete", orders=[{"_id": 1, "deleted": flag}])) == expected


def test_missing_deletion_flag_is_reported(found: Finding) -> None:
    assert why(found("crdt.orders.soft-delete", orders=[{"_id": 1}])) == "deleted is missing"


def test_missing_id_field_is_reported(found: Finding) -> None:
    assert why(found("crdt.orders.id-fields", orders=[{"_id": 1}])) == "order_id is missing"
    assert why(found("crdt.orders.id-fields", orders=[{"_id": 1, "order_id": None}])) is None
