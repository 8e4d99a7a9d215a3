"""Fields of several BSON types, and open documents: server, `jsonschema` and rules agree on them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId, Regex, Timestamp
from pymongo.database import Database
from pymongo.errors import WriteError

from conformance.model.schemas.loading import load_model
from conformance.model.validators.document_validator import breaches, conforms
from conformance.model.validators.server_validator import validator
from conformance.report.documentation import data_model
from conformance.rules.data import counts, documents
from conformance.rules.ditto.crdt import shapes
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for, run_rules

pytestmark = pytest.mark.server

VALUES: dict[str, Any] = {
    "null": None,
    "bool": True,
    "int": 1,
    "long": Int64(2**60),
    "double": 0.5,
    "decimal": Decimal128("1.5"),
    "string": "x",
    "objectId": ObjectId(),
    "date": dt.datetime(2024, 1, 15, tzinfo=dt.UTC),
    "timestamp": Timestamp(1, 1),
    "binData": b"\x00",
    "regex": Regex("^a"),
    "array": [None, [1]],
    "object": {"a": {"b": None}},
}


@pytest.mark.parametrize(
    "types", [["date", "null"], ["array"], ["object", "string"], ["int", "long"], ["decimal", "double"]]
)
def test_server_and_jsonschema_accept_the_same_types(
    types: list[str], database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    (collection,) = model_of(tmp_path, {"things": collection_of({"value": {"x-bson": types}})})
    mongo = database.create_collection("things", validator=validator(collection))
    for name, value in VALUES.items():
        document = {"_id": ObjectId(), "value": value}
        try:
            mongo.insert_one(document)
            taken = True
        except WriteError:
            taken = False
        assert (taken, conforms(collection, document)) == (name in types, name in types), name
    reported = breaches(collection, {"_id": ObjectId(), "value": VALUES["regex"]})
    assert [breach.message for breach in reported] == [f"/^a/ (regex) is not of type {' or '.join(types)}"]


@pytest.mark.parametrize(
    ("items", "right", "wrong"),
    [
        ({"type": "string"}, [[], ["a", "b"]], ["a", ["a", 1], [None], [["a"]]]),
        ({"x-bson": ["object", "null"]}, [[{}, None]], [[1], ["a"]]),
        ({"type": "number", "minimum": 0}, [[1, 0.5, Int64(2)]], [[-1], [float("nan")], ["1"]]),
    ],
)
def test_server_and_jsonschema_accept_the_same_arrays(
    items: Any, right: list[Any], wrong: list[Any], database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    schema = {"type": "array", "items": items, "maxItems": 3}
    (collection,) = model_of(tmp_path, {"things": collection_of({"value": schema})})
    mongo = database.create_collection("things", validator=validator(collection))
    for value in right:
        mongo.insert_one({"_id": ObjectId(), "value": value})
        assert conforms(collection, {"_id": ObjectId(), "value": value})
    for value in [*wrong, right[-1] * 4]:
        assert not conforms(collection, {"_id": ObjectId(), "value": value}), value
        with pytest.raises(WriteError):
            mongo.insert_one({"_id": ObjectId(), "value": value})


def test_open_document_may_have_further_fields(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    schema = collection_of({"name": {"type": "string"}}) | {"additionalProperties": True}
    model = model_of(tmp_path, {"things": schema})
    mongo = database.create_collection("things", validator=validator(model["things"]))
    document = {"_id": ObjectId(), "name": "a", "type of food": "Bakery", "__v": 0}
    mongo.insert_one(document)
    assert conforms(model["things"], document)
    assert not conforms(model["things"], {"_id": ObjectId(), "nam": "a"})
    rules = list(documents.rules(model, configuration_for(load_model(Path(tmp_path)))))
    assert not any("extra-fields" in rule.id for rule in rules)
    outcomes = run_rules(rules, context_for(model, database))
    assert {outcome.violations for outcome in outcomes.values()} == {0}


def test_values_unsupported_on_devices_are_findings_of_a_synced_collection(
    database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    """Each subject counts the documents that break it, although all satisfy the schema."""
    place = {
        "type": "object", "x-crdt": "map", "additionalProperties": True, "properties": {"city": {"type": "string"}},
    }  # fmt: skip
    for name, types in {"closed": ["null", "date", "array", "string"], "open": ["string"]}.items():
        tags = {"type": "array", "items": {"x-bson": ["null", "string"]}}
        fields = {"tags": tags} if name == "closed" else {}
        fields |= {"value": {"x-bson": types}, "gone": {"type": "boolean"}, "owner": {"x-bson": "objectId"}}
        schema = collection_of({**fields, **({"place": place} if name == "open" else {})}, optional=["tags"])
        schema |= {"x-soft-delete": "gone", "x-sync": {"enabled": True, "id_mapping": {"mode": "match_ids"}}}
        folder = tmp_path / name
        folder.mkdir()
        model = model_of(folder, {"things": schema})
        database.drop_collection("things")
        values = [None, VALUES["date"], ["a"], "x", "y"] if name == "closed" else ["x"] * 5
        inner = {"place": {"city": "a", "since": VALUES["date"], "tags": [None]}} if name == "open" else {}
        database["things"].insert_many(
            {"_id": ObjectId(), "value": value, "gone": False, "owner": ObjectId(), **inner}
            | ({"tags": ["a", None]} if value == "y" else {"tags": ["a"]} if value is None else {})
            for value in values
        )
        outcomes = run_rules(list(shapes.rules(model, configuration_for(model))), context_for(model, database))
        found = {key.split(".")[2]: each.violations for key, each in outcomes.items() if each.violations}
        expected = {"nulls": 2, "arrays": 3, "types": 5} if name == "closed" else {"nulls": 5, "arrays": 5, "types": 5}
        assert found == expected


def test_schema_without_a_cardinality_allows_any_number(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    schema = collection_of({"name": {"type": "string"}})
    del schema["x-cardinality"]
    model = model_of(tmp_path, {"things": schema})
    ids = [rule.id for rule in counts.rules(model, configuration_for(model))]
    assert ids == ["counts._database.unknown-collections"]
    assert "any number" in data_model(model)
