"""Each rejection by a server's validator names the field, its value and the rule, on a real server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from bson import Int64
from hypothesis import HealthCheck, Phase, given, settings
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import WriteError

from conformance.connection.client import in_words
from conformance.connection.validator_reply import Refusal, refusals
from conformance.model.collection import Model
from conformance.model.validators.server_validator import validator
from edge.bridge.mongo_side.write_errors import reason
from generator.fuzzing.mutations import mutations
from generator.fuzzing.strategies import documents
from tests.models import collection_of, model_of
from tests.validation import ROOT

Mongo = Database[dict[str, Any]]
#: One field for each keyword of the vocabulary that a single document can break.
FIELDS: Final[dict[str, Any]] = {
    "text": {"type": "string", "minLength": 2, "maxLength": 5},
    "like": {"type": "string", "pattern": "^[a-z]{2,4}$"},
    "of": {"type": "string", "enum": ["a", "b"]},
    "whole": {"type": "integer", "minimum": 1, "maximum": 9},
    "between": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "flag": {"type": "boolean"},
    "price": {"type": "number", "x-money": True, "minimum": 0},
    "discount": {"type": "number", "x-money": True},
    "at": {"type": "string", "x-timestamp": True},
    "uuid": {"type": "string", "x-uuid": 4},
    "some": {"type": ["string", "integer"], "maxLength": 3, "maximum": 9},
    "map": {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "required": ["inner"],
        "properties": {"inner": {"type": "integer", "minimum": 1}, "cost": {"type": "number", "x-money": True}},
    },
    "free": {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "minProperties": 1, "maxProperties": 2,
        "patternProperties": {"^[a-z]{1,3}$": {"type": "integer", "maximum": 5}},
    },
}  # fmt: skip
GOOD: Final[dict[str, Any]] = {
    "text": "abc", "like": "abc", "of": "a", "whole": 5, "between": 0.5, "flag": True, "price": 1.5, "discount": 2,
    "at": "2024-01-31T10:00:00Z", "uuid": "65b9d8f0-a1b2-4c3d-8e5f-60718293a4b5", "some": "a", "map": {"inner": 1},
    "free": {"a": 1},
}  # fmt: skip

#: An edit of the good document, and the refusal that names it.
REFUSED: Final[list[tuple[dict[str, Any], str]]] = [
    ({"text": 5}, "text: 5 is of type int, not string"),
    ({"text": None}, "text: null is of type null, not string"),
    ({"text": "a"}, 'text: "a" is shorter than 2'),
    ({"text": "abcdef"}, 'text: "abcdef" is longer than 5'),
    ({"text": ...}, "text: is missing"),
    ({"like": "ABC"}, 'like: "ABC" does not match '),
    ({"of": "c"}, 'of: "c" is not one of ["a", "b"]'),
    ({"whole": 0}, "whole: 0 is below 1"),
    ({"whole": 10}, "whole: 10 is above 9"),
    ({"whole": 5.0}, "whole: 5.0 is of type double, not int or long"),
    ({"between": 0}, "between: 0 is not above 0"),
    ({"between": 1.0}, "between: 1.0 is not below 1"),
    ({"flag": 1}, "flag: 1 is of type int, not bool"),
    ({"price": 1.505}, "price: 1.505 is not a number of whole cents"),
    ({"price": "1.50"}, 'price: "1.50" is of type string, not double or int or long'),
    ({"price": -1}, "price: -1 is below 0"),
    ({"discount": 0.001}, "discount: 0.001 is not a number of whole cents"),
    ({"at": "2024-02-30T10:00:00Z"}, 'at: "2024-02-30T10:00:00Z" does not match '),
    ({"uuid": "x"}, 'uuid: "x" does not match '),
    ({"some": "abcd"}, 'some: does not match any of the allowed forms: "abcd" is longer than 3; "abcd" is of type'),
    ({"some": True}, "some: does not match any of the allowed forms: true is of type bool, not string; true is of"),
    ({"map": {"inner": 0}}, "map.inner: 0 is below 1"),
    ({"map": {}}, "map.inner: is missing"),
    ({"map": {"inner": 1, "other": 1}}, "map.other: is not defined in the schema"),
    ({"map": {"inner": 1, "cost": 0.005}}, "map.cost: 0.005 is not a number of whole cents"),
    ({"map": []}, "map: [] is of type array, not object"),
    ({"free": {}}, "free: the number of keys, 0, is below 1"),
    ({"free": {"a": 1, "b": 2, "c": 3}}, "free: the number of keys, 3, is above 2"),
    ({"free": {"a": 9}}, "free.a: 9 is above 5"),
    ({"free": {"LONG": 1}}, "free.LONG: is not defined in the schema"),
    ({"extra": 1}, "extra: is not defined in the schema"),
    ({"_id": 5}, "_id: 5 is of type int, not objectId"),
]


@pytest.fixture(scope="module")
def place(server: MongoClient[dict[str, Any]]) -> Iterator[Mongo]:
    name = f"refusals_{uuid.uuid4().hex[:8]}"
    yield server[name]
    server.drop_database(name)


@pytest.fixture(scope="module")
def things(place: Mongo, tmp_path_factory: pytest.TempPathFactory) -> Mongo:
    """A collection of every kind of field."""
    properties = {**FIELDS, "_id": {"x-bson": "objectId"}}
    made = model_of(tmp_path_factory.mktemp("things"), {"things": collection_of(properties)})
    place.create_collection("things", validator=validator(made["things"]))
    place["things"].insert_one(dict(GOOD))
    return place


def refused(place: Mongo, name: str, document: Mapping[str, Any]) -> WriteError:
    with pytest.raises(WriteError) as raised:
        place[name].insert_one(dict(document))
    return raised.value


@pytest.mark.parametrize(("edit", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_rejection_names_field_value_and_rule(things: Mongo, edit: dict[str, Any], message: str) -> None:
    document = {name: value for name, value in {**GOOD, **edit}.items() if value is not ...}
    error = refused(things, "things", document)
    path, why = reason(error, document)
    assert path == message.split(":")[0]
    assert why.startswith(f"MongoDB's validator rejects it: {message}")
    assert path in in_words(error)


def test_rejection_of_every_invalid_document_names_its_field(place: Mongo, model: Model) -> None:
    """The documents are of the project's model, each with one broken keyword."""
    keywords = set[str]()
    for collection in model:
        place.create_collection(collection.name, validator=validator(collection))
        for mutation in mutations(collection, one(documents(collection))):
            if (mutation.breach.path, mutation.breach.keyword) == ("_id", "required"):
                continue  # the driver adds it
            if (keyword := f"{collection.name}.{mutation.breach.path}.{mutation.breach.keyword}") in keywords:
                continue
            keywords.add(keyword)
            document = mutation.document()
            error = refused(place, collection.name, document)
            if error.code == 53:
                assert reason(error) == ("_id", "MongoDB rejects it: an array or a regular expression cannot be an _id")
                continue
            path, why = reason(error, document)
            assert mutation.breach.path in (path, *(r.path for r in told_of(error, document))), (keyword, why)
    assert len(keywords) > 100


def told_of(error: WriteError, document: Mapping[str, Any]) -> list[Refusal]:
    return refusals((error.details or {})["errInfo"]["details"], document)


def one(strategy: Any) -> dict[str, Any]:
    """Return the first document of a strategy."""
    found: list[dict[str, Any]] = []

    @settings(max_examples=1, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=HealthCheck)
    @given(strategy)
    def take(document: dict[str, Any]) -> None:
        found.append(document)

    take()
    return found[0]


#: Validators that another team wrote, a document, and the expected message.
FOREIGN: Final[list[tuple[dict[str, Any], dict[str, Any], str]]] = [
    ({"a": {"$gt": 5}}, {"a": 3}, "a: 3 does not satisfy $gt 5"),
    ({"a": {"$gt": 5}}, {}, "a: is missing"),
    ({"a": {"$in": [1, 2]}}, {"a": Int64(3)}, "a: 3 does not satisfy $in [1, 2]"),
    ({"a": {"$type": "string"}}, {"a": 3}, 'a: 3 does not satisfy $type "string"'),
    ({"$or": [{"a": {"$gt": 5}}, {"b": {"$exists": True}}]}, {"a": 3}, "does not satisfy any of: a: 3 does not satisfy"
        " $gt"),
    ({"$and": [{"a": 3}, {"$or": [{"b": 1}]}]}, {"a": 3}, "b: is missing"),
    ({"$nor": [{"a": 3}]}, {"a": 3}, "a: 3 does not satisfy $eq 3"),
    ({"$expr": {"$lt": ["$a", "$b"]}}, {"a": 3, "b": 1}, "a + b: do not satisfy the validator's expression"),
    ({"$jsonSchema": {"not": {"required": ["a"]}}}, {"a": 3}, "the value has a form that is not allowed"),
    ({"$jsonSchema": {"dependencies": {"a": ["b"]}}}, {"a": 3}, "b: is missing beside a"),
    ({"$jsonSchema": {"properties": {"a": {"items": {"bsonType": "int"}}}}}, {"a": [1, "x"]},
     'a[1]: "x" is of type string, not int'),
    ({"$jsonSchema": {"properties": {"a": {"uniqueItems": True, "bsonType": "array"}}}}, {"a": [1, 1]},
     "a: [1, 1] contains an item twice"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "document", "message"), FOREIGN, ids=[json.dumps(one[0]) for one in FOREIGN])
def test_rejection_by_a_foreign_validator_is_explained(
    place: Mongo, rule: dict[str, Any], document: dict[str, Any], message: str
) -> None:
    name = uuid.uuid4().hex
    place.create_collection(name, validator=rule)
    why = reason(refused(place, name, document), document)[1]
    assert why.startswith(f"MongoDB's validator rejects it: {message}")


def test_wording_of_the_server_is_not_parsed() -> None:
    details = {
        "operatorName": "$and",
        "clausesNotSatisfied": [
            {"index": 0, "details": {"operatorName": "$jsonSchema", "schemaRulesNotSatisfied": [
                {"operatorName": "properties", "propertiesNotSatisfied": [
                    {"propertyName": "a", "details": [
                        {"operatorName": "minimum", "specifiedAs": {"minimum": 1}, "reason": "other words",
                         "consideredValue": 0}]}]}]}}
        ],
    }  # fmt: skip
    assert refusals(details) == [Refusal("a", "0 is below 1")]
    source = ROOT / "conformance" / "connection" / "validator_reply.py"
    assert source.read_text(encoding="utf-8").count('"reason"') == 0
