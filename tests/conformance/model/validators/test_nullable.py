"""Objects, arrays and maps that may be null: `jsonschema`, the server, the strategies and columns agree on them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from pymongo.database import Database
from pymongo.errors import WriteError

from conformance.checks.base import Document
from conformance.columns.queries import may_match
from conformance.columns.reading import batches
from conformance.model.collection import Collection, Model
from conformance.model.kinds import bson_types
from conformance.model.validators.document_validator import breaches
from conformance.model.validators.profiles import provisioned_validator
from conformance.model.validators.server_validator import field_query, validator
from conformance.report.documentation import data_model
from generator.fuzzing.mutations import mutations
from generator.fuzzing.strategies import documents, invalid_documents
from tests.conformance.model.validators.oracles import raw, refused
from tests.models import model_of
from tests.nullable import SCHEMAS
from tests.profiles import examples

pytestmark = pytest.mark.server

RIGHT: Document = {
    "place": {"city": "AB123", "fee": 1.25, "at": "2024-01-31T10:00:00Z", "key": "k", "geo": {"lat": 1.5, "note": "n"}},
    "lines": [{"city": "AB123", "price": 2, "tags": ["a"]}, None, {"city": "CD456", "tags": None}],
    "book": {"a": {"sum": 0.07, "city": "AB123"}, "b": None},
}
#: Values that are right as well.
NULLS: list[Document] = [
    {"place": None, "lines": None, "book": None},
    {"place": {"city": "AB123", "fee": 0, "geo": None}, "book": {"x": None}},
    {"place": None, "lines": [None], "book": None},
]
#: A field with one fault, and its message.
WRONG: list[tuple[str, Any, str]] = [
    ("place", "x", 'place "x" is not of type object or null'),
    ("place", [], "place [] is not of type object or null"),
    ("place", {"fee": 1}, "place.city is missing"),
    ("place", {"city": "AB123", "fee": 0.001}, "place.fee 0.001 is not a number of whole cents"),
    ("place", {"city": "ab", "fee": 1}, 'place.city "ab" does not match "^[A-Z]{2}[0-9]{3}$"'),
    ("place", {"city": "AB123", "fee": 1, "x": 1}, "place.x is not defined in the schema (extra: x)"),
    ("place", {"city": "AB123", "fee": 1, "geo": {}}, "place.geo.lat is missing"),
    ("place", {"city": "AB123", "fee": 1, "geo": 5}, "place.geo 5 is not of type null or object"),
    ("place", {"city": None, "fee": 1}, "place.city null is not of type string"),
    ("lines", {}, "lines {} is not of type array or null"),
    ("lines", [], "lines [] has fewer items than 1"),
    ("lines", [None, "x"], 'lines[1] "x" is not of type object or null'),
    ("lines", [{"city": "AB123", "price": 0.005}], "lines[0].price 0.005 is not a number of whole cents"),
    ("lines", [None, {}], "lines[1].city is missing"),
    ("lines", [{"city": "AB123", "tags": [None]}], "lines[0].tags[0] null is not of type string"),
    ("book", 5, "book 5 is not of type object or null"),
    ("book", {}, "book {} has fewer keys than 1"),
    ("book", {"A": None}, "book.A is not defined in the schema (extra: A)"),
    ("book", {"a": {"sum": 0.001}}, "book.a.sum 0.001 is not a number of whole cents"),
    ("book", {"a": []}, "book.a [] is not of type object or null"),
]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return model_of(tmp_path, SCHEMAS)


def numbered(document: Mapping[str, Any]) -> Document:
    return {"_id": ObjectId(), **document}


def test_kinds_are_those_without_null(model: Model) -> None:
    things = model["things"]
    kinds = {
        "place": "map",
        "place.geo": "map",
        "lines": "list",
        "lines[]": "map",
        "book": "dictionary",
        "book.*": "map",
    }
    assert {path: things.field(path).kind for path in kinds} == kinds
    assert all(things.field(path).nullable for path in kinds)
    assert bson_types(things.field("lines").schema) == {"array", "null"}
    assert things.nullable_above("place.geo.lat") == ("place", "place.geo")
    assert [one.field for one in things.references] == ["place.city", "lines[].city", "book.*.city"]


def test_null_is_right_and_what_is_below_is_checked(model: Model, database: Database[Document]) -> None:
    things = model["things"]
    mongo = database.create_collection("things", validator=validator(things))
    for right in (RIGHT, *NULLS):
        assert breaches(things, numbered(right)) == []
        mongo.insert_one(numbered(right))
    for name, value, message in WRONG:
        document = numbered({**RIGHT, name: value})
        assert [f"{one.path} {one.message}" for one in breaches(things, document)] == [message]
        with pytest.raises(WriteError):
            mongo.insert_one(document)
    assert [one.message for one in breaches(things, {"_id": ObjectId(), "book": None})] == ["is missing"]


def test_oracles_agree_on_generated_documents(model: Model, database: Database[Document]) -> None:
    things = model["things"]
    mongo = database.create_collection("things", validator=validator(things))

    @examples(60)
    @given(documents(things))
    def valid(document: Document) -> None:
        assert breaches(things, document) == []
        mongo.insert_one(raw(document))
        mongo.delete_many({})

    @examples(60)
    @given(invalid_documents(things))
    def invalid(case: tuple[Document, Any]) -> None:
        document, intent = case
        assert {(one.path, one.keyword) for one in breaches(things, document)} == {(intent.path, intent.keyword)}
        if intent.path != "_id":
            assert refused(mongo, [document]) == {0}

    valid()
    invalid()


def test_invalid_variants_are_refused_by_all_oracles(model: Model, database: Database[Document]) -> None:
    things = model["things"]
    mongo = database.create_collection("things", validator=validator(things))
    for right in (RIGHT, *NULLS):
        cases = [
            one for one in mutations(things, numbered(right)) if one.breach.field in SCHEMAS["things"]["properties"]
        ]
        cases = [one for one in cases if one.breach.field != "_id"]
        for case in cases:
            found = {(one.path, one.keyword) for one in breaches(things, case.document())}
            assert found == {(case.breach.path, case.breach.keyword)}
        assert refused(mongo, [numbered({**one.document(), "_id": ObjectId()}) for one in cases]) == {
            *range(len(cases))
        }


def test_columns_suspect_what_the_server_finds(model: Model, database: Database[Document]) -> None:
    """In whichever order: a document with null does not hide what is in the objects of the others."""
    things = model["things"]
    faults = [numbered({**RIGHT, name: value}) for name, value, _ in WRONG if name == "place"]
    rights = [numbered(one) for one in (*NULLS, RIGHT, *NULLS)]
    for stored in ([*rights, *faults], [*faults, *rights]):
        mongo = database["things"]
        mongo.delete_many({})
        mongo.insert_many(copy.deepcopy(stored))
        query = {"$nor": [field_query(things, "place")]}
        assert {one["_id"] for one in mongo.find(query)} == {one["_id"] for one in faults}
        assert suspects(things, database, query) == {one["_id"] for one in faults}


def suspects(collection: Collection, database: Database[Document], query: Document) -> set[ObjectId]:
    objects = {one.path for one in collection.walk() if one.kind == "map"}
    found: set[ObjectId] = set()
    for batch in batches(database[collection.name], objects):
        places = batch.columns["_id"].at[may_match(query, batch)]
        found |= {ObjectId(batch.raw[at : at + 12]) for at in places}
    return found


def test_connector_profile_takes_null_and_refuses_what_is_wrong_below(
    tmp_path: Path, database: Database[Document]
) -> None:
    schema = {**SCHEMAS["things"], "x-sync": {"enabled": True, "id_mapping": {"mode": "match_ids"}}}
    things = model_of(tmp_path, {**SCHEMAS, "things": schema})["things"]
    mongo = database.create_collection("things", validator=provisioned_validator(things))
    for right in (RIGHT, *NULLS):
        mongo.insert_one(numbered(right))
    for name, value, message in WRONG:
        if "not defined" not in message or "book" in message:
            with pytest.raises(WriteError):
                mongo.insert_one(numbered({**RIGHT, name: value}))


def test_documentation_says_null(model: Model) -> None:
    text = data_model(model)
    assert "| place | an object (MAP) with its declared keys, or null | MAP |" in text
    assert "| lines | absent or an array, or null |" in text
    assert "| book.* | an object (MAP) with its declared keys, or null | MAP |" in text
