"""Documents that cannot cross or hardly can: each kind of `_id` and of value, deep ones, wide ones and huge ones.

A device's are what the SDK takes; MongoDB's are every BSON type. Each has a collection, so that it lands among ordinary
documents in the middle of their traffic.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)

Document = dict[str, Any]
Made = tuple[str, Callable[[], Document]]

_HUGE: Final = 1_700_000
_WIDE: Final = 10_000


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def _deep_array(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _of_id(identity: Any) -> Made:
    return "things", lambda: {"_id": identity, "n": 1}


def _of_value(side: str, name: str, value: Any) -> Made:
    return "things", lambda: {"_id": f"stray of {side}: {name}", "value": value}


def _wide() -> Document:
    return {f"field {number}": number for number in range(_WIDE)}


_DEVICE_IDS: Final[Mapping[str, Any]] = {
    "an integer": 7,
    "the largest integer": 2**63 - 1,
    "an integer beyond 64 bits": 2**64 - 1,
    "true": True,
    "bytes": b"ab",
    "an array": [1, "a"],
    "an array of null": [None],
    "an empty array": [],
    "an object": {"a": 1, "b": {"c": True}},
    "an empty object": {},
    "empty text": "",
    "text with NUL": "a\0b",
    "text with quotes": "a\"b'c`d$e.f",
}
_DEVICE_VALUES: Final[Mapping[str, Any]] = {
    "bytes": b"ab",
    "an integer beyond 64 bits": 2**63,
    "null": None,
    "an empty name": {"": 1},
    "a name with dots": {"a.b": 1},
    "a name with a dollar": {"$a": 1},
    "a name with NUL": {"a\0b": 1},
    "an empty object": {"a": {}, "b": []},
    "arrays in arrays": _deep_array(20),
    "29 levels": _deep(28),
}
DEVICE: Final[Mapping[str, Made]] = {
    **{f"{name} as _id": _of_id(value) for name, value in _DEVICE_IDS.items()},
    **{f"{name} as value": _of_value("a device", name, value) for name, value in _DEVICE_VALUES.items()},
    "no code": ("people", lambda: {"_id": "stray without code", "n": 1}),
    "another code": ("people", lambda: {"_id": "stray with another code", "code": "other", "n": 1}),
    "text that is no ObjectId": ("keyed", lambda: {"_id": "stray", "n": 1}),
    "text as _id of two fields": ("stock", lambda: {"_id": "stray", "n": 1}),
    "ten thousand fields": ("things", lambda: {"_id": "stray wide", **_wide()}),
    "an array of more than 16 MB of BSON": ("things", lambda: {"_id": "stray huge", "ones": [1] * _HUGE}),
    "40 levels": ("things", lambda: {"_id": "stray deep", "a": _deep(40)}),
    "40 levels in people": ("people", lambda: {"_id": "stray deep", "code": "stray deep", "a": _deep(40)}),
}
#: Documents that end a process that reads them.
UNREADABLE: Final = frozenset({"40 levels", "40 levels in people"})

_MONGO_IDS: Final[Mapping[str, Any]] = {
    "an int": 8,
    "a long": Int64(2**62),
    "a double": 7.5,
    "a whole double": 9.0,
    "a decimal": Decimal128("7.25"),
    "a boolean": False,
    "a date": dt.datetime(2026, 1, 2, 3, 4, 5, 678000),
    "an ObjectId": ObjectId("0123456789abcdef01234567"),
    "a UUID": Binary(uuid.UUID(int=7).bytes, 4),
    "bytes": Binary(b"ab"),
    "an object": {"a": 1, "b": "c"},
    "null": None,
    "MinKey": MinKey(),
    "MaxKey": MaxKey(),
    "a timestamp": Timestamp(7, 1),
    "long text": "x" * 2_000,
}
_MONGO_VALUES: Final[Mapping[str, Any]] = {
    "a long": Int64(2**62),
    "a double": 7.5,
    "a whole double": 8.0,
    "not a number": float("inf"),
    "a decimal": Decimal128("7.250"),
    "a date": dt.datetime(2026, 1, 2, 3, 4, 5, 678000),
    "a date in the year 20000": DatetimeMS(569_000_000_000_000),
    "an ObjectId": ObjectId("0123456789abcdef01234567"),
    "a UUID": Binary(uuid.UUID(int=7).bytes, 4),
    "bytes": Binary(b"ab"),
    "bytes of a user": Binary(b"ab", 128),
    "a regular expression": Regex("a.*", "i"),
    "code": Code("1"),
    "code with scope": Code("1", {"a": 1}),
    "a reference": DBRef("things", "old 0001"),
    "MinKey": MinKey(),
    "MaxKey": MaxKey(),
    "a timestamp": Timestamp(7, 1),
    "null": None,
    "a name with dots": {"a.b": 1},
    "a name with a dollar": {"$a": 1},
    "an empty name": {"": 1},
    "an array with null": [None, [True, {"a": Decimal128("1")}]],
    "90 levels": _deep(90),
    "90 arrays": _deep_array(90),
}
MONGO: Final[Mapping[str, Made]] = {
    **{f"{name} as _id": _of_id(value) for name, value in _MONGO_IDS.items()},
    **{f"{name} as value": _of_value("MongoDB", name, value) for name, value in _MONGO_VALUES.items()},
    "no code": ("people", lambda: {"_id": "stray without code", "n": 1}),
    "a number as code": ("people", lambda: {"_id": "stray with a number", "code": 1.5}),
    "text for an ObjectId": ("keyed", lambda: {"_id": "stray", "n": 1}),
    "half of two fields": ("stock", lambda: {"_id": "stray", "store": "x"}),
    "ten thousand fields": ("things", lambda: {"_id": "stray wide of MongoDB", **_wide()}),
    "fifteen megabytes": ("things", lambda: {"_id": "stray huge of MongoDB", "text": "x" * 15_000_000}),
    "many ones": ("things", lambda: {"_id": "stray ones of MongoDB", "ones": [1] * 400_000}),
}
