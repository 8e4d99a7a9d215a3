"""The _ids of documents on devices and in MongoDB under the three id mappings."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from conformance.model.collection import Collection, IdMapping
from edge.store.store import Store
from edge.values import MAX_DEPTH, Unsyncable, ditto_id, to_ditto, to_mongo
from tests.edge.mappings import HEX, MATCH, SEVERAL, SINGLE, TEXT, exact, nested, numbers, store, things, through
from tests.models import collection_of, model_of

pytestmark = pytest.mark.slow

__all__ = ["store", "things"]


@pytest.fixture(scope="module")
def hexed(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection whose _id is an ObjectId, and must equal no other field."""
    return model_of(tmp_path_factory.mktemp("hexed"), {"things": collection_of({"code": TEXT})})["things"]


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection whose _id equals the field ``code``."""
    schema = collection_of({"_id": TEXT, "code": TEXT, "place": TEXT})
    return model_of(tmp_path_factory.mktemp("coded"), {"things": {**schema, "x-id": {"equals": "code"}}})["things"]


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
