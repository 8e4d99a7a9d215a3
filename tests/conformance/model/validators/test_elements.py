"""Schemas of what is in arrays and free maps: server, `jsonschema` and rules agree on every place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import SON, Decimal128, Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database
from pymongo.errors import WriteError

from conformance.checks.base import Document
from conformance.model.collection import Model
from conformance.model.validators.document_validator import breaches
from conformance.model.validators.profiles import provisioned_validator
from conformance.model.validators.server_validator import validator
from conformance.report.documentation import data_model
from conformance.results import Outcome
from conformance.rules.data import documents
from conformance.rules.ditto.crdt import shapes
from generator.fuzzing.mutations import mutations
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for, run_rules

pytestmark = pytest.mark.server

ITEM: Any = {
    "type": "object", "additionalProperties": False, "required": ["sku", "qty"],
    "properties": {
        "sku": {"type": "string", "minLength": 1, "maxLength": 9},
        "qty": {"type": "integer", "minimum": 1, "maximum": 9},
        "price": {"type": "number", "x-money": True},
        "state": {"type": "string", "enum": ["open", "done"]},
        "weight": {"x-bson": ["decimal", "null"]},
        "parts": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
    },
}  # fmt: skip
ACCOUNT: Any = {
    "type": "object", "x-crdt": "map", "additionalProperties": False, "minProperties": 1,
    "patternProperties": {"^[A-Z]{2}[0-9]{1,4}$": {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "required": ["tier"],
        "properties": {"tier": {"type": "string", "enum": ["gold", "tin"]}, "fee": {"type": "number", "x-money": True}},
    }},
}  # fmt: skip
RIGHT: Document = {
    "items": [
        {"sku": "a", "qty": 1, "price": 1.25, "state": "open", "weight": Decimal128("1"), "parts": [1, Int64(2)]},
        {"sku": "b", "qty": 9},
    ],
    "accounts": {"DE1": {"tier": "gold", "fee": 0.07}, "FR22": {"tier": "tin"}},
}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    fields = {"items": {"type": "array", "items": ITEM, "maxItems": 4}, "accounts": ACCOUNT}
    return model_of(tmp_path, {"things": collection_of(fields)})


def item(**changed: Any) -> Document:
    return {"items": [RIGHT["items"][0], {**RIGHT["items"][1], **changed}]}


def account(**changed: Any) -> Document:
    return {"accounts": {**RIGHT["accounts"], "FR22": {"tier": "tin", **changed}}}


#: An invalid field, and the expected message of its rule.
WRONG: list[tuple[Document, str]] = [
    (item(qty="3"), 'items[1].qty "3" is not of type int or long'),
    (item(qty=0), "items[1].qty 0 is below 1"),
    (item(price=0.005), "items[1].price 0.005 is not a number of whole cents"),
    (item(state="gone"), 'items[1].state "gone" is not one of ["open", "done"]'),
    (item(weight=1.5), "items[1].weight 1.5 is not of type decimal or null"),
    (item(parts=[1, 2, 3]), "items[1].parts [1, 2, 3] has more items than 2"),
    (item(parts=[1, None]), "items[1].parts[1] null is not of type int or long"),
    (item(colour="red"), "items[1].colour is not defined in the schema (extra: colour)"),
    ({"items": [{"sku": "a"}]}, "items[0].qty is missing"),
    ({"items": [None]}, "items[0] null is not of type object"),
    ({"items": "a"}, 'items "a" is not of type array'),
    (account(tier="lead"), 'accounts.FR22.tier "lead" is not one of ["gold", "tin"]'),
    (account(fee=0.001), "accounts.FR22.fee 0.001 is not a number of whole cents"),
    ({"accounts": {"DE1": {}}}, "accounts.DE1.tier is missing"),
    ({"accounts": {"de1": {"tier": "tin"}}}, "accounts.de1 is not defined in the schema (extra: de1)"),
    ({"accounts": {"DE1": 5}}, "accounts.DE1 5 is not of type object"),
    ({"accounts": {}}, "accounts {} has fewer keys than 1"),
]


def violations_of(outcomes: Mapping[str, Outcome]) -> dict[str, tuple[int, list[str]]]:
    return {
        name: (one.violations, [sample.why for sample in one.samples])
        for name, one in outcomes.items()
        if one.violations
    }


def test_invalid_element_is_rejected_everywhere_with_its_path(model: Model, database: Database[Document]) -> None:
    collection = model["things"]
    mongo = database.create_collection("things", validator=validator(collection))
    mongo.insert_one({"_id": ObjectId(), **RIGHT})
    rules = list(documents.rules(model, configuration_for(model)))
    for wrong, why in WRONG:
        document = {"_id": ObjectId(), **RIGHT, **wrong}
        assert [f"{one.path} {one.message}" for one in breaches(collection, document)] == [why]
        with pytest.raises(WriteError):
            mongo.insert_one(document)
        mongo.with_options().insert_one(document, bypass_document_validation=True)
        (field,) = wrong
        assert violations_of(run_rules(rules, context_for(model, database))) == {
            f"documents.things.{field}": (1, [why])
        }
        mongo.delete_one({"_id": document["_id"]})


def test_invalid_variants_below_arrays_and_maps_are_rejected_by_both_oracles(
    model: Model, database: Database[Document]
) -> None:
    """Each breaks one rule at one place; the server's query leaves it out, and `jsonschema` names the place."""
    collection = model["things"]
    below = [one for one in mutations(collection, {"_id": ObjectId(), **RIGHT}) if one.breach.field in RIGHT]
    for mutation in below:
        document = mutation.document()
        assert (mutation.breach.path, mutation.breach.keyword) in {
            (one.path, one.keyword) for one in breaches(collection, document)
        }
    documents, right = [{**one.document(), "_id": ObjectId()} for one in below], ObjectId()
    assert len(documents) > 300
    database["things"].insert_many([*documents, {"_id": right, **RIGHT}])
    assert [one["_id"] for one in database["things"].find(validator(collection))] == [right]


def test_documentation_lists_contents_of_arrays_and_maps(model: Model) -> None:
    text = data_model(model)
    assert "| items[].qty | an integer (int or long), at least 1, at most 9 |" in text
    assert "| accounts.*.tier | one of gold, tin |" in text


def test_text_in_an_array_has_no_invisible_characters(model: Model, database: Database[Document]) -> None:
    database["things"].insert_many([{**RIGHT, "items": [{"sku": "a\u200b", "qty": 1}]}, RIGHT, {**RIGHT, "items": []}])
    outcomes = run_rules(documents.rules(model, configuration_for(model)), context_for(model, database))
    found = outcomes["documents.things.items-characters"]
    assert (found.examined, found.violations) == (2, 1)
    assert found.samples[0].why.startswith("items[0].sku is ")


def test_duplicate_key_in_an_object_of_an_array_is_reported(model: Model, database: Database[Document]) -> None:
    """A document with one key twice is written as bytes: the second of two keys of one length is renamed."""
    import bson

    raw = bson.encode({"_id": 1, **RIGHT, "items": [SON([("sku", "a"), ("qty", 1), ("qtx", 2)])]})
    database["things"].insert_one(RawBSONDocument(raw.replace(b"qtx", b"qty")))
    outcomes = run_rules(documents.rules(model, configuration_for(model)), context_for(model, database))
    assert outcomes["documents.things.repeated-keys"].violations == 1


def test_devices_may_write_whole_doubles_into_arrays(
    model: Model, database: Database[Document], tmp_path: Path
) -> None:
    """The validator of a synced collection accepts them, as outside of arrays, and a null in an optional key."""
    fields = {"items": {"type": "array", "items": ITEM}, "gone": {"type": "boolean"}}
    schema = collection_of(fields) | {
        "x-soft-delete": "gone",
        "x-sync": {"enabled": True, "id_mapping": {"mode": "match_ids"}},
    }
    folder = tmp_path / "synced"
    folder.mkdir()
    synced = model_of(folder, {"things": schema})["things"]
    mongo = database.create_collection("things", validator=provisioned_validator(synced))
    mongo.insert_one({"items": [{"sku": "a", "qty": 2.0, "state": None}], "gone": False})
    with pytest.raises(WriteError):
        mongo.insert_one({"items": [{"sku": "a", "qty": 2.5}], "gone": False})


PERMISSIONS: Document = {
    "users": {"collection": "things", "id": "_id", "attributes": ["region"]},
    "rules": [{"collection": "things", "operations": ["read"], "condition": "gone = false", "enforced_by": "ditto"}],
    "super_manager": {"_id": "boss", "permissions": "all"},
}


@pytest.mark.parametrize(
    ("operations", "severity"), [(None, "error"), (["read"], "warning"), (["read", "update"], "error")]
)
def test_array_that_devices_change_is_an_error(
    operations: list[str] | None, severity: str, database: Database[Document], tmp_path: Path
) -> None:
    fields = {"items": {"type": "array", "items": ITEM}, "gone": {"type": "boolean"}}
    schema = collection_of(fields) | {
        "x-soft-delete": "gone",
        "x-sync": {"enabled": True, "id_mapping": {"mode": "match_ids"}},
    }
    model = model_of(tmp_path, {"things": schema})
    if operations:
        granted = {**PERMISSIONS, "rules": [{**PERMISSIONS["rules"][0], "operations": operations}]}
        model.config("ditto_permissions.json").write_text(json.dumps(granted), encoding="utf-8")
    database["things"].insert_one({"items": [{"sku": "a", "qty": 1}], "gone": False})
    (rule,) = [one for one in shapes.rules(model, configuration_for(model)) if one.id == "crdt.things.arrays"]
    assert rule.severity == severity
    assert violations_of(run_rules([rule], context_for(model, database))) == {
        rule.id: (1, ["items is an array of length 1"])
    }


def test_values_of_a_free_map_are_examined_in_a_synced_collection(database: Database[Document], tmp_path: Path) -> None:
    """Dates, arrays and nulls in its objects satisfy the schema but violate the rules of devices."""
    texts = {"type": "array", "items": {"type": "string"}}
    inner = {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "required": ["at"],
        "properties": {"at": {"x-bson": ["date", "null", "string"]}, "tags": texts},
    }  # fmt: skip
    by_day = {
        "type": "object",
        "x-crdt": "map",
        "additionalProperties": False,
        "patternProperties": {"^[a-z]+$": inner},
    }
    schema = collection_of({"by_day": by_day, "gone": {"type": "boolean"}})
    schema |= {"x-soft-delete": "gone", "x-sync": {"enabled": True, "id_mapping": {"mode": "match_ids"}}}
    model = model_of(tmp_path, {"things": schema})
    database["things"].insert_many([
        {"by_day": {"mo": {"at": None, "tags": ["a"]}, "tu": {"at": Decimal128("1")}}, "gone": False},
        {"by_day": {"we": 5, "th": {}}, "gone": False}, {"by_day": {"fr": {"at": "x"}}, "gone": False},
    ])  # fmt: skip
    found = violations_of(run_rules(shapes.rules(model, configuration_for(model)), context_for(model, database)))
    assert found == {
        "crdt.things.arrays": (1, ["by_day.mo.tags is an array of length 1"]),
        "crdt.things.nulls": (1, ["by_day.mo.at is null"]),
        "crdt.things.types": (1, ["by_day.tu.at is 1 (decimal)"]),
        "crdt.things.maps": (1, ["by_day.we is 5, not a MAP"]),
    }
