"""Values of MongoDB on devices and back: every BSON type, any document, and the limits of the store."""

from __future__ import annotations

import math
import re
import struct
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from hypothesis import given
from hypothesis import strategies as st

from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Collection, IdMapping
from edge.bridge.synced_collection import Synced
from edge.store.statements import StatementError
from edge.store.store import Store
from edge.values import MAX_DEPTH, MAX_DOCUMENT, MAX_ID, Unsyncable, stored_size, to_ditto, to_mongo
from tests.edge.mappings import HEX, MATCH, SEVERAL, SINGLE, exact, nested, numbers, store, things, through
from tests.models import collection_of, model_of
from tests.profiles import examples

pytestmark = pytest.mark.slow

__all__ = ["store", "things"]


WIRE: dict[int, tuple[bytes, Any]] = {
    0x01: (struct.pack("<d", -0.0), -0.0),
    0x02: (b"\x03\x00\x00\x00a\x00\x00", "a\0"),
    0x03: (bson.encode({"": {}}), {"": {}}),
    0x04: (bson.encode({"0": None, "1": []}), [None, []]),
    0x05: (b"\x01\x00\x00\x00\x00x", "the BSON type binData does not sync"),
    0x06: (b"", None),  # undefined, which the driver makes null
    0x07: (bytes.fromhex(HEX), HEX),
    0x08: (b"\x01", True),
    0x09: (struct.pack("<q", 1_736_935_200_005), "2025-01-15T10:00:00.005Z"),
    0x0A: (b"", None),
    0x0B: (b"^a\x00i\x00", "the BSON type regex does not sync"),
    0x0C: (b"\x02\x00\x00\x00c\x00" + bytes(12), "the BSON type dbPointer does not sync"),
    0x0D: (b"\x02\x00\x00\x00x\x00", "the BSON type javascript does not sync"),
    0x0E: (b"\x02\x00\x00\x00s\x00", "s"),  # a symbol, which the driver makes text
    0x0F: (
        struct.pack("<i", 15) + b"\x02\x00\x00\x00x\x00" + bson.encode({}),
        "the BSON type javascriptWithScope does not sync",
    ),
    0x10: (struct.pack("<i", -(2**31)), -(2**31)),
    0x11: (struct.pack("<q", 1), "the BSON type timestamp does not sync"),
    0x12: (struct.pack("<q", 2**63 - 1), 2**63 - 1),
    0x13: (Decimal128("-1.10E+3").bid, "-1.10E+3"),
    0x7F: (b"", "the BSON type maxKey does not sync"),
    0xFF: (b"", "the BSON type minKey does not sync"),
}


def test_every_bson_type_has_an_entry() -> None:
    assert sorted(WIRE) == [*range(0x01, 0x14), 0x7F, 0xFF]
    undefined = b"\x14v\0"
    with pytest.raises(bson.errors.InvalidBSON):
        bson.decode(struct.pack("<i", 5 + len(undefined)) + undefined + b"\0", OPTIONS)


@pytest.mark.parametrize("number", WIRE, ids=hex)
def test_type_on_the_wire_is_converted_or_rejected(store: Store, things: Collection, number: int) -> None:
    content, expected = WIRE[number]
    field = bytes([number]) + b"v\0" + content
    document = bson.decode(struct.pack("<i", 5 + len(field)) + field + b"\0", OPTIONS)
    document["_id"] = f"wire {number}"
    if isinstance(expected, str) and "does not sync" in expected:
        with pytest.raises(Unsyncable, match=f"^v: {expected}$"):
            to_ditto(document, things, MATCH)
        return
    assert exact(through(store, to_ditto(document, things, MATCH))) == exact({"_id": f"wire {number}", "v": expected})


REFUSED = {
    "NaN": (math.nan, "nan is not a number that Ditto can store"),
    "infinity": (-math.inf, "-inf is not a number that Ditto can store"),
    "Binary": (Binary(b"x", 4), "the BSON type binData does not sync"),
    "bytes": (b"x", "the BSON type binData does not sync"),
    "UUID": (uuid.UUID(int=1), "the BSON type binData does not sync"),
    "pattern": (re.compile("a"), "the BSON type regex does not sync"),
    "tuple": ((1,), "the BSON type array does not sync"),
    "above int64": (2**63, "an integer beyond 64 bits"),
    "below int64": (-(2**63) - 1, "an integer beyond 64 bits"),
    "year 10000": (DatetimeMS(253_402_300_800_000), "a date outside the years 1 to 9999"),
    "year 0": (DatetimeMS(-62_135_596_800_001), "a date outside the years 1 to 9999"),
    "aware beyond": (datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), "a date outside the years 1 to 9999"),
    "half a character": ("a\ud800", r"a string that is not UTF-8, for example half a character"),
    "NUL in a name": ({"a\0": 1}, "the name .* contains NUL, which MongoDB does not allow"),
    "half a character in a name": ({"\ud800": 1}, r"a string that is not UTF-8, for example half a character"),
    "a number for a name": ({1: 1}, "the name 1 is not a string"),
}


@pytest.mark.parametrize(("value", "reason"), REFUSED.values(), ids=REFUSED)
def test_unsupported_type_is_rejected_with_its_path(things: Collection, value: Any, reason: str) -> None:
    for document, path in (({"v": value}, "v"), ({"m": {"k": [0, value]}}, r"m\.k\.1")):
        with pytest.raises(Unsyncable, match=f"^{path}: {reason}$"):
            to_ditto({"_id": "x", **document}, things, MATCH)


CONVERTED = {
    "Int64": (Int64(5), 5),
    "SON": (SON([("b", 1), ("a", 2)]), {"a": 2, "b": 1}),
    "raw document": (RawBSONDocument(bson.encode({"a": 1})), {"a": 1}),
    "naive date": (datetime(1, 2, 3, 4, 5, 6), "0001-02-03T04:05:06.000Z"),
    "date elsewhere": (datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=5))), "2024-12-31T19:00:00.000Z"),
    "date in milliseconds": (DatetimeMS(-1), "1969-12-31T23:59:59.999Z"),
    "no decimal number": (Decimal128("NaN"), "NaN"),
    "decimal with zeros": (Decimal128("1.500"), "1.500"),
    "composed and not": ({"é": 1, "e\u0301": 2}, {"é": 1, "e\u0301": 2}),
    "a long name": ({"k" * 70_000: 1}, {"k" * 70_000: 1}),
}


@pytest.mark.parametrize(("value", "expected"), CONVERTED.values(), ids=CONVERTED)
def test_supported_value_is_converted(store: Store, things: Collection, value: Any, expected: Any) -> None:
    made = to_ditto({"_id": f"converted {next(numbers)}", "v": value}, things, MATCH)
    assert exact(through(store, made)["v"]) == exact(expected)


names = st.one_of(
    st.sampled_from(["", ".", "a.b", "$set", "`", "_id", "__proto__", "é", "e\u0301", "\x01", "select", "k" * 300]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
)
whole = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
as_text = st.one_of(
    st.builds(ObjectId, st.binary(min_size=12, max_size=12)),
    st.datetimes().map(lambda date: date.replace(microsecond=date.microsecond // 1000 * 1000)),
    st.decimals(allow_nan=False, places=2, min_value=-(10**30), max_value=10**30).map(Decimal128),
)
refused = st.one_of(
    st.binary(max_size=4).map(Binary),
    st.sampled_from([math.nan, math.inf, MinKey(), MaxKey(), Timestamp(1, 2), Regex("a"), Code("x"), DBRef("c", 1)]),
)


def documents(*leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Generate documents with these values, without an _id."""
    nested = st.recursive(
        st.one_of(*leaves), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
    )
    return st.dictionaries(names.filter(lambda name: name != "_id"), nested, max_size=6)


def canonical(value: Any) -> Any:
    """Return the expected document, by an independent implementation of the documentation."""
    if isinstance(value, dict):
        return {name: canonical(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [canonical(inner) for inner in value]
    if isinstance(value, datetime):
        return f"{value:%Y}".zfill(4) + f"-{value:%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"
    return str(value) if isinstance(value, ObjectId | Decimal128) else value


@examples(120)
@given(document=documents(whole, as_text))
def test_documents_arrive_and_are_restored(store: Store, things: Collection, document: dict[str, Any]) -> None:
    document = {"_id": f"document {next(numbers)}", **document}
    made = to_ditto(bson.decode(bson.encode(document), OPTIONS), things, MATCH)
    arrived = through(store, made)
    assert exact(arrived) == exact(canonical(document))
    back = bson.decode(bson.encode(to_mongo(arrived, things, MATCH)), OPTIONS)
    assert exact(to_ditto(back, things, MATCH)) == exact(made)


@examples(120)
@given(document=documents(whole))
def test_plain_documents_are_restored_unchanged(store: Store, things: Collection, document: dict[str, Any]) -> None:
    document = {"_id": f"plain {next(numbers)}", **document}
    assert exact(to_mongo(through(store, to_ditto(document, things, MATCH)), things, MATCH)) == exact(document)


def offenders(value: Any, path: Sequence[str] = ()) -> list[str]:
    """Return the paths of all values that must not sync."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for name, one in inner for found in offenders(one, [*path, str(name)])]
    fits = isinstance(value, float) and math.isfinite(value)
    taken = type(value) in (bool, str, int, Int64, type(None), ObjectId, Decimal128, datetime)
    return [] if fits or taken else [".".join(path)]


@examples(200)
@given(document=documents(whole, as_text, refused))
def test_exactly_the_unsupported_documents_are_rejected(things: Collection, document: dict[str, Any]) -> None:
    wrong = offenders(document)
    try:
        to_ditto({"_id": "x", **document}, things, MATCH)
    except Unsyncable as verdict:
        assert verdict.path in wrong
    else:
        assert wrong == []


@pytest.mark.parametrize("array", [False, True], ids=["objects", "arrays"])
def test_nesting_beyond_the_limit_is_rejected(store: Store, things: Collection, array: bool) -> None:
    deepest = {"_id": f"deep {array}", "v": nested(MAX_DEPTH, array=array)}
    assert through(store, to_ditto(deepest, things, MATCH)) == deepest
    with pytest.raises(Unsyncable, match=f"^v.*: nested more than {MAX_DEPTH} levels deep$") as verdict:
        to_ditto({"_id": "x", "v": nested(MAX_DEPTH + 1, array=array)}, things, MATCH)
    assert verdict.value.path.count(".") == MAX_DEPTH


def filled(fields: int, text: int) -> dict[str, Any]:
    """Return a document with this number of small fields in an object, and one long text."""
    return {"_id": f"filled {next(numbers)}", "m": {f"k{number}": 1 for number in range(fields)}, "t": "x" * text}


@pytest.mark.parametrize("fields", [0, 5_000])
def test_document_beyond_the_size_limit_is_rejected(store: Store, things: Collection, fields: int) -> None:
    room = MAX_DOCUMENT - stored_size(filled(fields, 0)) - 4  # the head of a long text is longer
    largest = to_ditto(filled(fields, room), things, MATCH)
    assert through(store, largest) == largest
    with pytest.raises(Unsyncable, match=r"^the document has 5,242,[89][0-9]{2} bytes in Ditto") as verdict:
        to_ditto(filled(fields, room + 20), things, MATCH)
    assert verdict.value.path == ""
    with pytest.raises(StatementError, match="exceeds limit of 5242880 bytes"):
        store.insert("things", [filled(fields, room + 4_096 + 6 * fields)])


@pytest.fixture(scope="module")
def scales(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that rejects every document, with an error that states its size."""
    with Store.open(tmp_path_factory.mktemp("scales") / "store") as opened:
        for limit in ("soft", "hard"):  # the hard one is not looked at below the soft one
            opened.mutate(f"ALTER SYSTEM SET document_size_{limit}_limit_bytes = 1")
        yield opened


@examples(60)
@given(document=documents(whole))
def test_computed_size_is_close_to_the_size_of_ditto(scales: Store, document: dict[str, Any]) -> None:
    with pytest.raises(StatementError, match=r"size is [0-9]+ bytes") as refusal:
        scales.insert("things", [{"_id": "sized", **document}])
    size = int(re.findall("size is ([0-9]+) bytes", str(refusal.value))[0])
    assert size <= stored_size({"_id": "sized", **document}) <= 1.125 * size + 8


@pytest.mark.parametrize(("spare", "mapping"), [(2, SINGLE), (3 + 5 + 6 + 2, SEVERAL)], ids=["single", "several"])
def test_id_beyond_the_size_limit_is_rejected(store: Store, things: Collection, spare: int, mapping: IdMapping) -> None:
    longest = {"_id": "x", "code": "c" * (MAX_ID - spare), "place": "p"}
    assert through(store, to_ditto(longest, things, mapping))["code"] == longest["code"]
    longer = {**longest, "code": longest["code"] + "c"}
    with pytest.raises(Unsyncable, match=r"^_id: it has 257 bytes in Ditto; at most 256 are allowed$"):
        to_ditto(longer, things, mapping)
    with pytest.raises(StatementError, match="Serialized document ID is too large"):
        store.insert(
            "things", [{"_id": longer["code"] if mapping is SINGLE else {"code": longer["code"], "place": "p"}}]
        )


@pytest.mark.parametrize("mode", ["native", "ejson"])
@pytest.mark.parametrize("place", [None, {"ref": ObjectId(b"a" * 12), "at": None}, {"ref": ObjectId(b"a" * 12)}])
def test_object_that_may_be_null_is_restored_with_its_ids(mode: Any, place: Any, tmp_path: Path) -> None:
    inner = {"x-bson": "objectId"}
    at = {"type": ["object", "null"], "x-crdt": "map", "additionalProperties": False, "properties": {"ref": inner}}
    fields = {"_id": {"type": "string"}, "place": {**at, "properties": {"ref": inner, "at": at}}}
    synced = Synced(
        model_of(tmp_path, {"things": collection_of(fields)})["things"], IdMapping("match_ids", ()), mode=mode
    )
    document = {"_id": "a", "place": place}
    assert synced.to_mongo(synced.to_ditto(document)) == document
