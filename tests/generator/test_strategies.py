"""Hypothesis strategies and samplers of every kind of field: values, bounds, presence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bson
import numpy as np
import pytest
from bson import Int64, ObjectId
from pymongo import MongoClient
from pymongo.errors import BulkWriteError

from conformance.checks.base import Document
from conformance.model.collection import Field, Model
from conformance.model.kinds import MAX_INTEGER, Kind
from conformance.model.ranges import (
    cents_range,
    element_range,
    integer_range,
    length_range,
    number_range,
    size_range,
)
from conformance.model.validators.document_validator import breaches
from conformance.model.validators.server_validator import validator
from generator.columns.nested import Nested
from generator.columns.samplers import SAMPLERS, emit, sample
from generator.fuzzing.mutations import mutations
from generator.fuzzing.strategies import STRATEGIES, documents, values
from tests.generator.fields import drawn, generated
from tests.models import collection_of, model_of

pytestmark = pytest.mark.slow


BSON_TYPES = ("null", "bool", "int", "long", "double", "decimal", "string", "objectId", "date", "timestamp", "binData",
              "regex", "array", "object")  # fmt: skip
#: Small made-up fields of every kind but map, with the bounds that kind knows.
FIELDS: dict[str, dict[str, Any]] = {
    "objectid": {"x-bson": "objectId"},
    "bson of every type": {"x-bson": [*BSON_TYPES]},
    "list of texts": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 4},
    "list of anything": {"type": "array", "items": {"x-bson": ["object", "null"]}, "minItems": 1},
    "list of numbers": {"type": "array", "items": {"type": "number", "minimum": 0}},
    "bson or null": {"x-bson": ["string", "null"]},
    "list of objects": {
        "type": "array", "minItems": 1, "maxItems": 3,
        "items": {
            "type": "object", "additionalProperties": False, "required": ["sku", "qty"],
            "properties": {
                "sku": {"type": "string", "enum": ["a", "b"]}, "qty": {"type": "integer", "minimum": 1, "maximum": 9},
                "price": {"type": "number", "x-money": True, "minimum": 0, "maximum": 5},
                "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
            },
        },
    },
    "list of lists": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}, "minItems": 1}},
    "dictionary of objects": {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "minProperties": 1, "maxProperties": 3,
        "patternProperties": {"^[0-9]{1,3}$": {
            "type": "object", "x-crdt": "map", "additionalProperties": False, "required": ["tier"],
            "properties": {"tier": {"type": "string", "enum": ["b", "s"]}, "cost": {"type": "number", "x-money": True}},
        }},
    },
    "uuid": {"type": "string", "x-uuid": 4},
    "timestamp": {"type": "string", "x-timestamp": True},
    "money": {"type": "number", "x-money": True},
    "money between": {"type": "number", "x-money": True, "minimum": 0.07, "maximum": 4.35},
    "money beyond": {"type": "number", "x-money": True, "exclusiveMinimum": 0.07, "exclusiveMaximum": 4.35},
    "money of one value": {"type": "number", "x-money": True, "minimum": 0.105, "maximum": 0.119},
    "enum": {"type": "string", "enum": ["a", "b", "c"]},
    "enum of integers": {"type": "integer", "enum": [3, 1, 2]},
    "string": {"type": "string"},
    "string between": {"type": "string", "minLength": 2, "maxLength": 6},
    "string with pattern": {"type": "string", "pattern": "^[a-c]{1,9}$", "minLength": 2, "maxLength": 6},
    "integer": {"type": "integer"},
    "integer between": {"type": "integer", "minimum": -2.5, "maximum": 7.5},
    "integer beyond": {"type": "integer", "exclusiveMinimum": -3, "exclusiveMaximum": 7.5},
    "number": {"type": "number"},
    "number between": {"type": "number", "minimum": -90, "maximum": 90},
    "number beyond": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "number above the plain ones": {"type": "number", "minimum": 5e9},
    "number below the plain ones": {"type": "number", "maximum": -5e9},
    "number of any size": {"type": "number", "minimum": -1.7e308, "maximum": 1.7e308},
    "boolean": {"type": "boolean"},
    "scalar": {"type": ["string", "integer", "number", "boolean"], "maxLength": 5, "minimum": 0, "maximum": 9},
    "dictionary": {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "minProperties": 2, "maxProperties": 3,
        "patternProperties": {"^[a-z]{1,2}$": {"type": "integer", "minimum": 0, "maximum": 9}},
    },
    "dictionary of time stamps": {
        "type": "object", "x-crdt": "map", "additionalProperties": False,
        "patternProperties": {"^[a-z]{1,2}$": {"type": "string", "x-timestamp": True}},
    },
    "dictionary of scalars": {
        "type": "object", "x-crdt": "register", "additionalProperties": False, "minProperties": 1,
        "patternProperties": {"^[a-z]{1,2}$": {"type": ["string", "boolean"]}},
    },
    "array or null": {
        "type": ["array", "null"], "minItems": 1, "items": {"type": ["array", "null"], "items": {"type": "integer"}},
    },
    "map or null": {
        "type": ["null", "object"], "x-crdt": "register", "additionalProperties": False, "minProperties": 1,
        "patternProperties": {"^[a-z]{1,2}$": {"type": ["array", "null"], "items": {"type": "string"}}},
    },
    "vector": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 5},
    "vector between": {
        "type": "array", "minItems": 300, "maxItems": 300,
        "items": {"type": "number", "minimum": 5, "exclusiveMaximum": 6},
    },
}  # fmt: skip
N = 400
RANGED = ("money", "integer", "number", "string", "dictionary", "vector", "timestamp")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A collection with every field above, each optional, and a MAP with a required and an optional key."""
    properties: dict[str, Any] = {key.replace(" ", "_"): schema for key, schema in FIELDS.items()}
    properties["map"] = {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "required": ["a"],
        "properties": {"a": {"type": "integer", "minimum": 1, "maximum": 3}, "b": {"type": "boolean"}},
    }  # fmt: skip
    schemas = {"things": collection_of(properties, optional=list(properties))}
    return model_of(tmp_path_factory.mktemp("made_up"), schemas)


def sampled(model: Model, field: Field) -> list[Any]:
    """Return values of the field's sampler, as stored in documents."""
    rng = np.random.default_rng(7)
    if field.element is not None:
        return list(Nested(rng, model["things"], lambda _: np.empty(0)).column(field, N).tolist())
    return emit(field.kind, sample(field, N, rng, 0), field.schema)


def test_every_kind_has_a_strategy_and_a_sampler() -> None:
    """Both dispatch over the same kinds; a column of what holds others is made of theirs (nested.py)."""
    kinds = set(Kind.__args__)  # type: ignore[attr-defined]
    assert set(STRATEGIES) == kinds
    assert set(SAMPLERS) == kinds - {"map", "list", "dictionary"}


@pytest.mark.parametrize("title", list(FIELDS))
def test_generated_values_are_accepted_by_schema_and_server(
    title: str, made_up: Model, server: MongoClient[Document]
) -> None:
    """Values of samplers are tested alone, one per document."""
    collection = made_up["things"]
    field = collection.field(title.replace(" ", "_"))
    found = [*drawn(values(field), 60), *sampled(made_up, field)]
    batch = [{"_id": bson.ObjectId(), field.name: value} for value in found]
    for document in batch:
        assert breaches(collection, document) == []
    mongo = server["strategies"]["things"]
    mongo.drop()
    server["strategies"].create_collection("things", validator=validator(collection))
    try:
        mongo.insert_many(batch)
    except BulkWriteError as error:
        pytest.fail(str(error.details["writeErrors"][:1]))
    finally:
        server.drop_database("strategies")


def test_sampled_whole_numbers_have_both_number_types(made_up: Model) -> None:
    """Beyond 2^53 - 1 a whole double stays a double, because devices have no such integers."""
    field = made_up["things"].field("number")
    column = np.array([1.0, 2.0, 2.5, 3.0, -4.0, float(MAX_INTEGER + 1), 1e300, -0.0])
    found = emit("number", column, {})
    assert found == column.tolist()
    assert [type(value) for value in found] == [int, float, float, int, float, float, float, int]
    assert [type(value) for value in emit("money", 100 * column, {})][:4] == [int, float, float, int]
    assert field.kind == "number"


def ends(field: Field) -> tuple[float, float]:
    """Return the range of a field, in the unit of `measure`."""
    schema = field.schema
    by_kind: Mapping[Kind, Any] = {
        "money": lambda: tuple(cents / 100 for cents in cents_range(schema)),
        "integer": lambda: integer_range(schema),
        "number": lambda: number_range(schema),
        "string": lambda: length_range(schema),
        "dictionary": lambda: size_range(schema),
        "vector": lambda: element_range(schema),
        "timestamp": lambda: (1970, 2099),
    }
    low, high = by_kind[field.kind]()
    return low, high


def measure(field: Field, found: list[Any]) -> list[float]:
    """Return the quantity of a value that has a range: itself, its length, its year, its elements."""
    if field.kind in ("string", "dictionary"):
        return [len(value) for value in found]
    if field.kind == "timestamp":
        return [int(value[:4]) for value in found]
    if field.kind == "vector":
        return [element for value in found for element in value]
    return found


@pytest.mark.parametrize("title", [title for title in FIELDS if title.split()[0] in RANGED])
@pytest.mark.parametrize("reading", ["strategy", "sampler"])
def test_generated_values_reach_both_bounds_and_stay_within(title: str, reading: str, made_up: Model) -> None:
    """Values come within a seventh of the width of each bound; a strategy prefers simple values."""
    field = made_up["things"].field(title.replace(" ", "_"))
    found = measure(field, drawn(values(field)) if reading == "strategy" else sampled(made_up, field))
    low, high = ends(field)
    assert low <= min(found)
    assert max(found) <= high
    if "pattern" in field.schema:
        low, high = length_range(field.schema)
    width = high / 7 - low / 7
    assert min(found) <= low + width
    assert max(found) >= high - width


@pytest.mark.parametrize("title", ["enum", "enum of integers", "boolean"])
def test_strategy_and_sampler_generate_every_value(title: str, made_up: Model) -> None:
    """The fields have few possible values."""
    field = made_up["things"].field(title.replace(" ", "_"))
    wanted = set(field.schema.get("enum", (True, False)))
    assert set(drawn(values(field))) == set(sampled(made_up, field)) == wanted


def test_strategy_and_sampler_of_a_scalar_generate_every_type(made_up: Model) -> None:
    """The types are string, integer, double and boolean."""
    field = made_up["things"].field("scalar")
    for found in (drawn(values(field)), sampled(made_up, field)):
        assert {int if type(value) is Int64 else type(value) for value in found} == {str, int, float, bool}
        assert max(len(value) for value in found if isinstance(value, str)) == 5


def test_optional_fields_are_present_and_absent(made_up: Model) -> None:
    """The test covers each optional field and optional key of a map."""
    collection = made_up["things"]
    for made in (drawn(documents(collection), 120), generated(made_up, "things")):
        for field in collection.fields:
            if not field.required:
                assert {field.name in document for document in made} == {True, False}, field.name
        maps = [document["map"] for document in made if "map" in document]
        assert {"b" in one for one in maps} == {True, False}
        assert all("a" in one for one in maps)


@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_present_is_the_fraction_of_documents_with_the_field(share: float, tmp_path: Path) -> None:
    """`present` applies to the sampler; strategies generate both cases."""
    schema = {"type": "integer", "minimum": 0, "x-sample": {"present": share}}
    things = collection_of({"n": schema}, optional=["n"], cardinality={"exactly": 1000})
    model = model_of(tmp_path, {"things": things})
    having = sum("n" in document for document in generated(model, "things"))
    assert abs(having - 1000 * share) <= 5 * math.sqrt(1000 * share * (1 - share))
    assert {"n" in document for document in drawn(documents(model["things"]), 50)} == {True, False}


def test_mutations_are_described_only_when_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A document has hundreds of mutations, of which a test draws one."""
    described: list[object] = []
    monkeypatch.setattr("generator.fuzzing.mutations.shorten", lambda value: described.append(value) or "short")
    things = collection_of({"name": {"type": "string", "maxLength": 9}})
    made = list(mutations(model_of(tmp_path, {"things": things})["things"], {"_id": ObjectId(), "name": "milk"}))
    assert described == []
    assert next(one for one in made if one.keyword == "type").breach.message == "short"
    assert len(described) == 1
