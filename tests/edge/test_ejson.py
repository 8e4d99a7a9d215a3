"""Canonical Extended JSON in both directions: every BSON value is restored, and no other form is accepted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import bson
import pytest
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Collection, IdMapping
from edge.ejson import is_value, to_ditto, to_mongo
from edge.values import MAX_DEPTH, Unsyncable
from tests.models import collection_of, model_of
from tests.profiles import examples

TEXT = {"type": "string"}
MATCH = IdMapping("match_ids", ())
SINGLE = IdMapping("single_field", ("code",))
SEVERAL = IdMapping("multiple_fields", ("code", "place"))
HEX = "65a4f0c8e4b0a1b2c3d4e5f6"


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    fields = {"_id": TEXT, "code": TEXT, "place": TEXT}
    return model_of(tmp_path_factory.mktemp("things"), {"things": collection_of(fields)})["things"]


#: A value as MongoDB's driver reads it, and its canonical form.
FORMS: Mapping[str, tuple[Any, Any]] = {
    "int": (5, {"$numberInt": "5"}),
    "long": (Int64(5), {"$numberLong": "5"}),
    "long that is large": (Int64(2**62), {"$numberLong": "4611686018427387904"}),
    "double": (2.5, {"$numberDouble": "2.5"}),
    "whole double": (25.0, {"$numberDouble": "25.0"}),
    "minus zero": (-0.0, {"$numberDouble": "-0.0"}),
    "infinity": (math.inf, {"$numberDouble": "Infinity"}),
    "decimal": (Decimal128("1.10"), {"$numberDecimal": "1.10"}),
    "objectId": (ObjectId(HEX), {"$oid": HEX}),
    "date": (datetime(2026, 1, 1), {"$date": {"$numberLong": "1767225600000"}}),
    "date of the year 33658": (DatetimeMS(10**15), {"$date": {"$numberLong": "1000000000000000"}}),
    "binary": (Binary(b"ab", 4), {"$binary": {"base64": "YWI=", "subType": "04"}}),
    "bytes": (b"ab", {"$binary": {"base64": "YWI=", "subType": "00"}}),
    "timestamp": (Timestamp(1, 2), {"$timestamp": {"t": 1, "i": 2}}),
    "regex": (Regex("a", "i"), {"$regularExpression": {"pattern": "a", "options": "i"}}),
    "code": (Code("x"), {"$code": "x"}),
    "minKey": (MinKey(), {"$minKey": 1}),
    "maxKey": (MaxKey(), {"$maxKey": 1}),
    "string": ("25.0", "25.0"),
    "bool": (True, True),
    "null": (None, None),
    "array": ([1, [2.5]], [{"$numberInt": "1"}, [{"$numberDouble": "2.5"}]]),
    "object": ({"a": {"b": 1}}, {"a": {"b": {"$numberInt": "1"}}}),
    "empty object": ({}, {}),
}


@pytest.mark.parametrize("case", FORMS)
def test_every_type_has_its_canonical_form_and_is_restored(things: Collection, case: str) -> None:
    value, form = FORMS[case]
    made = to_ditto({"_id": "a", "n": value}, MATCH)
    assert made == {"_id": "a", "n": form}
    back = to_mongo(made, things, MATCH)
    assert bson.encode(back) == bson.encode({"_id": "a", "n": value})
    assert is_value(made["n"]) == (type(form) is dict and case not in ("object", "empty object"))


def _values() -> st.SearchStrategy[Any]:
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(-(2**63), 2**63 - 1).map(Int64),
        st.floats(allow_nan=False),
        st.binary(min_size=12, max_size=12).map(ObjectId),
        st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(
            Decimal128
        ),
        st.integers(-(2**62), 2**62).map(DatetimeMS),
        st.binary(max_size=9),
        st.builds(Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    )
    names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4).filter(
        lambda name: not name.startswith("$")
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )


@given(value=_values())
@examples(200)
def test_any_document_is_restored_byte_for_byte(things: Collection, value: Any) -> None:
    stored = bson.encode({"_id": "a", "n": value})
    read = bson.decode(stored, OPTIONS)
    assert bson.encode(to_mongo(to_ditto(read, MATCH), things, MATCH)) == stored


#: A value that a device wrote, and the expected message.
REFUSED: Mapping[str, tuple[Any, str]] = {
    "plain number": (5, 'n: a plain number; mode ejson expects {"$numberInt": "5"}'),
    "plain double": (2.5, 'n: a plain number; mode ejson expects {"$numberDouble": "2.5"}'),
    "number, not text": ({"$numberInt": 5}, 'n: {"$numberInt": 5} is not a form of Extended JSON'),
    "not a number": ({"$numberInt": "x"}, 'n: {"$numberInt": "x"} is not a form of Extended JSON'),
    "two forms, of two devices": (
        {"$numberInt": "5", "$numberDouble": "5.5"},
        'n: {"$numberInt": "5", "$numberDouble": "5.5"} is not a form of Extended JSON',
    ),
    "int of 37 bits": (
        {"$numberInt": "99999999999"},
        'n: {"$numberInt": "99999999999"} is not canonical; mode ejson expects {"$numberLong": "99999999999"}',
    ),
    "JavaScript's exponent": (
        {"$numberDouble": "1e-7"},
        'n: {"$numberDouble": "1e-7"} is not canonical; mode ejson expects {"$numberDouble": "1e-07"}',
    ),
    "relaxed date": (
        {"$date": "2026-01-01T00:00:00Z"},
        'n: {"$date": "2026-01-01T00:00:00Z"} is not canonical; mode ejson expects {"$date": {"$numberLong":'
        ' "1767225600000"}}',
    ),
    "unknown form": ({"$number": "5"}, 'n: {"$number": "5"} is not a form of Extended JSON'),
    "form and field": ({"$oid": HEX, "a": "b"}, f'n: {{"$oid": "{HEX}", "a": "b"}} is not a form of Extended JSON'),
    "reference": ({"$ref": "a", "$id": "b"}, 'n: {"$ref": "a", "$id": "b"} is not a form of Extended JSON'),
    "wrong ObjectId": ({"$oid": "xyz"}, 'n: {"$oid": "xyz"} is not a form of Extended JSON'),
    "deep": ({"a": [{"$oid": "xyz"}]}, 'n.a.0: {"$oid": "xyz"} is not a form of Extended JSON'),
    "64 bits exceeded": ({"$numberLong": str(2**63)}, "n: an integer beyond 64 bits"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_non_canonical_form_is_rejected_with_the_expected_form(things: Collection, case: str) -> None:
    value, message = REFUSED[case]
    with pytest.raises(Unsyncable) as refusal:
        to_mongo({"_id": "a", "n": value}, things, MATCH)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"$price": 1}, "n.$price: a name that begins with $ is taken for a value's form in mode ejson"),
        (DBRef("a", 1), "n: the BSON type dbPointer does not sync"),
        (Code("x", {"y": 1}), "n: the BSON type javascriptWithScope does not sync"),
        ("\ud800", "n: a string that is not UTF-8, for example half a character"),
    ],
)
def test_value_without_a_form_is_rejected(value: Any, message: str) -> None:
    with pytest.raises(Unsyncable) as refusal:
        to_ditto({"_id": "a", "n": value}, MATCH)
    assert str(refusal.value) == message


def test_nesting_is_bounded_in_both_directions(things: Collection) -> None:
    deepest: Any = {}
    for _ in range(MAX_DEPTH - 1):
        deepest = {"a": deepest}
    made = to_ditto({"_id": "a", "n": deepest}, MATCH)
    assert to_mongo(made, things, MATCH) == {"_id": "a", "n": deepest}
    deeper = {"_id": "a", "n": {"a": deepest}}
    for convert in (lambda: to_ditto(deeper, MATCH), lambda: to_mongo(deeper, things, MATCH)):
        with pytest.raises(Unsyncable, match=f"nested more than {MAX_DEPTH} levels deep"):
            convert()


@pytest.mark.parametrize(
    ("mapping", "document", "identity"),
    [
        (MATCH, {"_id": ObjectId(HEX)}, {"$oid": HEX}),
        (MATCH, {"_id": 7}, {"$numberInt": "7"}),
        (MATCH, {"_id": "a"}, "a"),
        (SINGLE, {"_id": "a", "code": "a"}, "a"),
        (SEVERAL, {"_id": "a", "code": "c", "place": 1}, {"code": "c", "place": {"$numberInt": "1"}}),
    ],
)
def test_id_has_the_same_forms(things: Collection, mapping: IdMapping, document: dict[str, Any], identity: Any) -> None:
    made = to_ditto(document, mapping)
    assert made["_id"] == identity
    back = to_mongo(made, things, mapping)
    assert back == (document if mapping == MATCH else {name: document[name] for name in mapping.fields})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"code": "a"}, "_id: it is missing; select the whole document"),
        ({"_id": "b", "code": "a"}, "code: it differs from the _id; an id field cannot be changed"),
        ({"_id": "b"}, "code: it is missing, but the _id is made of it"),
        (
            {"_id": {"$numberDouble": "2.5"}, "code": {"$numberDouble": "2.5"}},
            "code: the BSON type double is not allowed in an _id",
        ),
    ],
)
def test_id_that_differs_from_its_fields_is_rejected(
    things: Collection, document: dict[str, Any], message: str
) -> None:
    with pytest.raises(Unsyncable) as refusal:
        to_mongo(document, things, SINGLE)
    assert str(refusal.value) == message
