"""Writes of devices under both profiles of the server's validators: real writes through the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from pymongo.database import Database

from conformance.model.collection import Collection, Model, ValidatorProfile
from conformance.model.validators.document_validator import conforms
from conformance.model.validators.profiles import profile_of, provisioned_validator
from edge.bridge.synced_collection import Synced
from generator.fuzzing.strategies import documents
from tests.edge.bridge.pair import Document, Pair, edge, mapping_of, pair, synced
from tests.models import collection_of, model_of, shipped_model
from tests.profiles import examples

__all__ = ["edge", "pair", "synced"]

#: A sale with a MAP, a free MAP, and every kind of number.
FIELDS: Final[Mapping[str, Any]] = {
    "_id": {"type": "string"},
    "total": {"type": "number", "x-money": True, "minimum": 0},
    "count": {"type": "integer", "minimum": 0},
    "status": {"type": "string", "enum": ["open", "done"]},
    "note": {"type": "string", "maxLength": 20},
    "rating": {"type": "integer", "enum": [1, 2, 3]},
    "place": {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "required": ["aisle"],
        "properties": {"aisle": {"type": "string"}, "bin": {"type": "string"}},
    },
    "details": {
        "type": "object", "x-crdt": "map", "additionalProperties": False,
        "patternProperties": {"^[a-z]{1,9}$": {"type": ["string", "number"]}},
    },
    "deleted": {"type": "boolean"},
}  # fmt: skip
OPTIONAL: Final = ("note", "rating", "details")
SALE: Final[Document] = {"total": 25.5, "count": 2, "status": "open", "place": {"aisle": "A"}, "deleted": False}
#: Documents that both profiles accept.
CLEAN: Final[Mapping[str, Document]] = {
    "a sale": SALE,
    "money as an integer": {**SALE, "total": 25},
    "every field": {**SALE, "note": "x", "rating": 1, "details": {"size": 1.5}, "place": {"aisle": "A", "bin": "B"}},
}
#: Documents that devices legitimately write: profile connector accepts them, profile strict records them as unsynced.
LEGITIMATE: Final[Mapping[str, Document]] = {
    "a field of a newer app": {**SALE, "loyalty": {"points": 3}},
    "a key of a newer app": {**SALE, "place": {"aisle": "A", "row": 3}},
    "null in an optional field": {**SALE, "note": None},
    "null in an optional enum": {**SALE, "rating": None},
    "null in an optional MAP": {**SALE, "details": None},
    "null in an optional key": {**SALE, "place": {"aisle": "A", "bin": None}},
    "null in a free MAP": {**SALE, "details": {"size": None}},
    "a whole double": {**SALE, "count": 2.0},
    "a whole double in an enum": {**SALE, "rating": 3.0},
    "what is left of a deleted document": {"deleted": True, "status": "done"},
}
#: Documents that no profile accepts, and the reason.
WRONG: Final[Mapping[str, tuple[Document, str]]] = {
    "half a cent": ({**SALE, "total": 25.005}, "total: 25.005 is not a number of whole cents"),
    "half a piece": ({**SALE, "count": 2.5}, "count: 2.5 is"),
    "a long beyond 2^53": ({**SALE, "count": 2**53}, "count: 9007199254740992 (long) is above"),
    "text for a number": ({**SALE, "total": "25"}, 'total: "25" is of type string'),
    "true for a number": ({**SALE, "count": True}, "count: true is of type bool"),
    "null in a required field": ({**SALE, "total": None}, "total: null is of type null"),
    "null in a required key": ({**SALE, "place": {"aisle": None}}, "place.aisle: null is of type null"),
    "a live document without a field": ({**SALE, "total": 1, "status": ...}, "status: is missing"),
    "an unknown status": ({**SALE, "status": "lost"}, 'status: "lost" is not one of'),
    "a key of no such form": ({**SALE, "details": {"SIZE": 1}}, "details.SIZE: is not defined in the schema"),
}


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    schema = collection_of(FIELDS, optional=OPTIONAL)
    schema["x-sync"] = {"enabled": True, "id_mapping": {"mode": "match_ids"}}
    schema["x-soft-delete"] = "deleted"
    return model_of(tmp_path_factory.mktemp("profiles"), {"things": schema})["things"]


@pytest.mark.parametrize("profile", ["strict", "connector"])
def test_inserts_of_devices_sync_or_are_recorded(pair: Pair, things: Collection, profile: ValidatorProfile) -> None:
    pair.synced = {"things": Synced(things, mapping_of("things"))}
    options = {"changeStreamPreAndPostImages": {"enabled": True}}
    pair.database.create_collection("things", validator=provisioned_validator(things, profile), **options)
    wrong = {name: document for name, (document, _) in WRONG.items()}
    for name, document in {**CLEAN, **LEGITIMATE, **wrong}.items():
        made = {field: value for field, value in document.items() if value is not ...}
        pair.store.insert("things", [{"_id": name, **made}])
    pair.meet()
    pair.meet()
    expected = CLEAN.keys() | (LEGITIMATE.keys() if profile == "connector" else set())
    assert {found["_id"] for found in pair.database["things"].find({}, {"_id": 1})} == expected
    reasons = {key[1].strip('"'): unsynced.reason for key, unsynced in pair.unsynced.items()}
    assert reasons.keys() == (LEGITIMATE.keys() | wrong.keys()) - expected
    for name, (_, reason) in WRONG.items():
        assert reasons[name].startswith(f"MongoDB's validator rejects it: {reason}"), reasons[name]


@pytest.mark.parametrize("profile", ["strict", "connector"])
def test_updates_of_devices_sync_or_are_recorded(pair: Pair, things: Collection, profile: ValidatorProfile) -> None:
    pair.synced = {"things": Synced(things, mapping_of("things"))}
    options = {"changeStreamPreAndPostImages": {"enabled": True}}
    pair.database.create_collection("things", validator=provisioned_validator(things, profile), **options)
    pair.database["things"].insert_many([{"_id": name, **SALE} for name in ("add", "clear", "delete")])
    pair.meet()
    pair.device("UPDATE things SET loyalty = 3 WHERE _id = 'add'")
    pair.device("UPDATE things SET note = NULL WHERE _id = 'clear'")
    pair.device("UPDATE things SET deleted = true UNSET total, place WHERE _id = 'delete'")
    pair.meet()
    tolerant = profile == "connector"
    assert {key for _, key in pair.unsynced} == (set() if tolerant else {'"add"', '"clear"', '"delete"'})
    assert (pair.in_mongo("things", _id="add") == {**SALE, "loyalty": 3}) is tolerant
    assert (pair.in_mongo("things", _id="delete") == {"count": 2, "status": "open", "deleted": True}) is tolerant


@pytest.mark.server
@pytest.mark.parametrize("name", [collection.name for collection in shipped_model()])
def test_valid_documents_satisfy_both_profiles(name: str, model: Model, database: Database[Document]) -> None:
    collection = model[name]
    place = database.create_collection(name, validator=provisioned_validator(collection, "connector"))

    @examples(40)
    @given(documents(collection))
    def holds(document: Document) -> None:
        assert conforms(collection, document)
        place.replace_one({"_id": document["_id"]}, document, upsert=True)

    holds()


def test_profile_is_recognised(model: Model) -> None:
    for collection in model:
        assert profile_of(collection, provisioned_validator(collection, "strict")) == "strict"
        found = profile_of(collection, provisioned_validator(collection, "connector"))
        assert found == provisioned_profile(collection)
        assert profile_of(collection, {"$jsonSchema": {}}) is None


def provisioned_profile(collection: Collection) -> str:
    """Return the validator; devices do not write collections that are not synced."""
    return "connector" if collection.synced else "strict"


def test_schema_may_require_the_strict_profile(tmp_path: Path, things: Collection) -> None:
    schema = dict(things.schema)
    schema["x-sync"] = {**schema["x-sync"], "validator": "strict"}
    strict = model_of(tmp_path, {"things": schema})["things"]
    assert provisioned_validator(strict) == provisioned_validator(things, "strict")
    assert provisioned_validator(things) == provisioned_validator(things, "connector") != provisioned_validator(strict)
