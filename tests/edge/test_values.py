"""Every BSON type syncs without loss, as documented text, or is rejected by name: on the real store."""

from __future__ import annotations

import math
import pickle
import re
import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
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

from conformance.connection.client import OPTIONS
from conformance.model.collection import Collection, IdMapping
from edge.store.sdk import unavailable
from edge.store.statements import StatementError
from edge.store.store import Store
from edge.values import MAX_DEPTH, MAX_DOCUMENT, MAX_ID, Unsyncable, ditto_id, stored_size, to_ditto, to_mongo
from tests.models import collection_of, model_of
from tests.profiles import examples

pytestmark = pytest.mark.slow

TEXT = {"type": "string"}
MATCH = IdMapping("match_ids", ())
SINGLE = IdMapping("single_field", ("code",))
SEVERAL = IdMapping("multiple_fields", ("code", "place"))
HEX = "65a4f0c8e4b0a1b2c3d4e5f6"
numbers = count()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    with Store.open(tmp_path_factory.mktemp("values") / "store") as opened:
        yield opened


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection whose _id is text; ``owner`` and ``part.maker`` are ObjectIds."""
    part = {
        "type": "object",
        "x-crdt": "map",
        "additionalProperties": False,
        "required": ["maker"],
        "properties": {"maker": {"x-bson": "objectId"}},
    }
    fields = {"_id": TEXT, "code": TEXT, "place": TEXT, "owner": {"x-bson": "objectId"}, "part": part}
    return model_of(tmp_path_factory.mktemp("things"), {"things": collection_of(fields)})["things"]


@pytest.fixture(scope="module")
def hexed(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection whose _id is an ObjectId, and must equal no other field."""
    return model_of(tmp_path_factory.mktemp("hexed"), {"things": collection_of({"code": TEXT})})["things"]


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection whose _id equals the field ``code``."""
    schema = collection_of({"_id": TEXT, "code": TEXT, "place": TEXT})
    return model_of(tmp_path_factory.mktemp("coded"), {"things": {**schema, "x-id": {"equals": "code"}}})["things"]


def exact(value: Any) -> Any:
    """Return a value that equals another only if types, order of arrays, and bits of doubles are equal."""
    if isinstance(value, dict):
        return {name: exact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return type(value), struct.pack("<d", value) if isinstance(value, float) else value


def through(store: Store, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document as read back from the store."""
    store.insert("things", [document])
    rows = store.execute("SELECT * FROM things WHERE _id = :id", {"id": document["_id"]})
    assert len(rows) == 1
    return rows[0]


# By the number of its BSON type, so that none is missing: a value, and its form on devices.

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


# Limits, where the store's own begin


def nested(levels: int, *, array: bool) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if array else {"k": value}
    return value


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


# The three mappings

IDS = {
    "match_ids": (MATCH, {"_id": "a", "code": "b"}, "a"),
    "an integer": (MATCH, {"_id": Int64(7), "code": "b"}, 7),
    "a boolean": (MATCH, {"_id": True}, True),
    "single_field": (SINGLE, {"_id": "a", "code": "b"}, "b"),
    "multiple_fields": (SEVERAL, {"_id": "a", "place": "c", "code": "b"}, {"code": "b", "place": "c"}),
}


@pytest.mark.parametrize(("mapping", "document", "expected"), IDS.values(), ids=IDS)
def test_ditto_id_is_built_by_the_mapping(
    store: Store, things: Collection, mapping: IdMapping, document: dict[str, Any], expected: Any
) -> None:
    made = to_ditto(document, things, mapping)
    assert exact(made["_id"]) == exact(expected) == exact(ditto_id(document, mapping))
    back = to_mongo(through(store, made), things, mapping)
    assert back == {name: value for name, value in document.items() if name != "_id" or mapping is MATCH}


NO_IDS = {
    "no field": (SINGLE, {"_id": "a"}, "^code: it is missing, but the _id is made of it$"),
    "one of two": (SEVERAL, {"_id": "a", "code": "b"}, "^place: it is missing"),
    "no _id": (MATCH, {"code": "b"}, "^_id: it is missing"),
    "null": (MATCH, {"_id": None}, "^_id: the BSON type null is not allowed in an _id$"),
    "object": (MATCH, {"_id": {"a": 1}}, "^_id: the BSON type object is not allowed in an _id$"),
    "array": (SINGLE, {"_id": "a", "code": ["b"]}, "^code: the BSON type array is not allowed in an _id$"),
    "double": (
        SEVERAL,
        {"_id": "a", "code": 1.0, "place": "c"},
        "^code: the BSON type double is not allowed in an _id$",
    ),
    "date": (MATCH, {"_id": datetime(2025, 1, 1, tzinfo=UTC)}, "^_id: the BSON type date is not allowed in an _id$"),
    "decimal": (MATCH, {"_id": Decimal128("1")}, "^_id: the BSON type decimal is not allowed in an _id$"),
    "binary": (MATCH, {"_id": b"x"}, "^_id: the BSON type binData is not allowed in an _id$"),
    "too large": (MATCH, {"_id": 2**63}, "^_id: an integer beyond 64 bits$"),
    "ObjectId where the schema has text": (
        MATCH,
        {"_id": ObjectId(HEX)},
        "^_id: it has the BSON type objectId; the schema defines another",
    ),
    "ObjectId in the id field": (SINGLE, {"_id": "a", "code": ObjectId(HEX)}, "^code: it has the BSON type objectId"),
}


@pytest.mark.parametrize(("mapping", "document", "reason"), NO_IDS.values(), ids=NO_IDS)
def test_unsuitable_id_is_rejected(
    things: Collection, mapping: IdMapping, document: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unsyncable, match=reason):
        to_ditto(document, things, mapping)


def test_object_ids_are_restored_by_the_schema(store: Store, things: Collection, hexed: Collection) -> None:
    document = {"_id": ObjectId(HEX), "code": HEX}
    arrived = through(store, to_ditto(document, hexed, MATCH))
    assert arrived == {"_id": HEX, "code": HEX}
    assert exact(to_mongo(arrived, hexed, MATCH)) == exact(document)
    inner = {"_id": "o", "owner": ObjectId(HEX), "part": {"maker": ObjectId(HEX), "other": HEX}}
    assert exact(to_mongo(through(store, to_ditto(inner, things, MATCH)), things, MATCH)) == exact(inner)


def test_text_in_an_object_id_field_is_rejected(hexed: Collection, things: Collection) -> None:
    with pytest.raises(Unsyncable, match=r"^_id: it has the BSON type string; the schema defines another"):
        to_ditto({"_id": HEX, "code": "b"}, hexed, MATCH)
    with pytest.raises(Unsyncable, match=r"^_id: \"made on a device\" is not an ObjectId"):
        to_mongo({"_id": "made on a device"}, hexed, MATCH)
    with pytest.raises(Unsyncable, match=r"^part.maker: \"nobody\" is not an ObjectId"):
        to_mongo({"_id": "x", "part": {"maker": "nobody"}}, things, MATCH)
    assert to_mongo({"_id": "x", "part": 5, "owner": None}, things, MATCH) == {"_id": "x", "part": 5, "owner": None}


@pytest.mark.parametrize(
    ("mapping", "_id"), [(SINGLE, "b"), (SEVERAL, {"place": "c", "code": "b"})], ids=["single", "several"]
)
def test_mongodb_id_is_built_by_the_mapping(coded: Collection, mapping: IdMapping, _id: Any) -> None:
    arrived = {"_id": _id, "code": "b", "place": "c"}
    assert to_mongo(arrived, coded, mapping) == {"_id": "b", "code": "b", "place": "c"}
    for field in ({"code": "other"}, {"code": True}):
        with pytest.raises(Unsyncable, match=r"^code.*: it differs from the _id"):
            to_mongo({**arrived, **field}, coded, mapping)
    with pytest.raises(Unsyncable, match=r"^code: it is missing"):
        to_mongo({"_id": _id, "place": "c"}, coded, mapping)


def test_true_differs_from_one(coded: Collection) -> None:
    with pytest.raises(Unsyncable, match=r"^code: it differs from the _id"):
        to_mongo({"_id": 1, "code": True}, coded, SINGLE)


NOT_BACK = {
    "bytes": ({"v": b"x"}, "^v: the BSON type binData does not sync$"),
    "above int64": ({"v": [2**64 - 1]}, "^v.0: an integer beyond 64 bits$"),
    "NUL in a name": ({"m": {"a\0": 1}}, "^m: the name .*a.* contains NUL"),
    "deep": ({"v": nested(MAX_DEPTH + 1, array=True)}, "nested more than"),
}


@pytest.mark.parametrize(("fields", "reason"), NOT_BACK.values(), ids=NOT_BACK)
def test_device_value_unsupported_by_mongodb_is_rejected(
    store: Store, things: Collection, fields: dict[str, Any], reason: str
) -> None:
    arrived = through(store, {"_id": f"device {next(numbers)}", **fields})
    with pytest.raises(Unsyncable, match=reason):
        to_mongo(arrived, things, MATCH)


def test_projection_without_an_id_is_rejected(things: Collection) -> None:
    with pytest.raises(Unsyncable, match=r"^_id: it is missing; select the whole document$"):
        to_mongo({"code": "b"}, things, MATCH)


def test_unsyncable_error_is_picklable() -> None:
    verdict = pickle.loads(pickle.dumps(Unsyncable("a.b", "why")))  # noqa: S301
    assert (verdict.path, verdict.reason, str(verdict), str(Unsyncable("", "why"))) == ("a.b", "why", "a.b: why", "why")
