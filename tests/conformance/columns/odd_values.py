"""Values of every BSON type and documents of them, as bytes: the server stores what the driver would not write."""

from __future__ import annotations

import random
import struct
from typing import Any, Final

import bson
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument

#: The code of a type, and the bytes of a value.
Value = tuple[int, bytes]
_OBJECT: Final = 0x03
_SYMBOL: Final = 0x0E

NUMBERS: Final = (
    0, 1, 2, -1, 7, 2**31 - 1, -(2**31), -0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 2.5, -1.5, 1.115, 12.345, 5e-324, 1e300,
    2.0**53, 2.0**63, float("nan"), float("inf"), -float("inf"),
    *map(Int64, (0, 1, 7, 2**53 - 1, 2**53, 2**53 + 1, 2**60, 2**63 - 1, -(2**63))),
    *map(Decimal128, ("NaN", "Infinity", "-0", "1", "1.0", "0.5", "12.345", "9007199254740993", "1E+6000")),
)  # fmt: skip
TEXTS: Final = (
    b"", b"a", b"b", b"A", b"ab", b"aB", b" a", b"a ", b"a\n", b"a\0", b"\0", b"a\0b", b"\xff\xfe", b"\xc3\x28",
    b"\xed\xa0\x80", "\u00e9".encode(), "e\u0301".encode(), "\u0130".encode(), "\u200bx".encode(), "\ufffd".encode(),
    "\U0001f600".encode(), b"\x7f", b"\t", b"b" * 8, b"b" * 9, b"b" * 16, b"x" * 511, b"x" * 512, b"x" * 513,
    b"2024-01-31T10:00:00Z", b"2024-01-31T10:00:00Z\n", b"2024-02-30T00:00:00Z", b"0000-01-01T00:00:00Z",
    b"1900-02-29T00:00:00Z", b"3f2504e0-4f89-41d3-9a0c-0305e82c3301", b"3F2504E0-4F89-41D3-CA0C-0305E82C3301",
)  # fmt: skip
OTHERS: Final[tuple[Any, ...]] = (
    None, True, False, MinKey(), MaxKey(), ObjectId("0" * 24), Timestamp(1, 1), b"\0", Binary(b"xyz", 2), Code("x"),
    [], [1], ["a"], [["a"]], [None], [{"x": 1}], {}, {"x": 1}, {"x": [1]}, {"y": 1, "x": "a"}, {"0": 1}, {"": 1},
)  # fmt: skip


def value_of(plain: Any) -> Value:
    """Return a value as the driver writes it."""
    encoded = bson.encode({"v": plain})
    return encoded[4], encoded[7:-1]


def text_of(text: bytes, code: int = 0x02) -> Value:
    """Return a string, or another type that has the same form, of any bytes."""
    return code, struct.pack("<i", len(text) + 1) + text + b"\0"


def odd_value(rng: random.Random) -> Value:
    """Return any value."""
    kind = rng.randrange(10)
    if kind < 4:
        return value_of(rng.choice(NUMBERS))
    if kind < 7:
        return text_of(rng.choice(TEXTS), _SYMBOL if rng.random() < 0.1 else 0x02)
    if kind == 7:
        return 0x09, struct.pack("<q", rng.choice((0, 2**62, -(2**62), 1_700_000_000_000)))
    return value_of(rng.choice(OTHERS))


def encoded(fields: dict[str, Value]) -> bytes:
    """Return a document with these values."""
    body = b"".join(bytes([code]) + name.encode() + b"\0" + value for name, (code, value) in fields.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def odd_document(rng: random.Random, key: int) -> RawBSONDocument:
    """Return a document with any of the fields a, b, c, m.x and m.y; each may be missing."""
    fields = {"_id": value_of(key)} | {name: odd_value(rng) for name in "abc" if rng.random() < 0.85}
    inner = {name: odd_value(rng) for name in "xy" if rng.random() < 0.8}
    fields["m"] = (_OBJECT, encoded(inner)) if rng.random() < 0.9 else odd_value(rng)
    return RawBSONDocument(encoded(fields))
