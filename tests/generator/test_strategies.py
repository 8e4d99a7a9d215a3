"""Strategy and sampler implement the same field: schema and server accept the values of both, from the same range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bson
import numpy as np
import pytest
from bson import Int64
from hypothesis import given
from pymongo import MongoClient
from pymongo.errors import BulkWriteError

from conformance.checks.base import Document
from conformance.config.loading import load_configuration
from conformance.config.settings import load_settings
from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Field, Model
from conformance.model.kinds import MAX_EXACT_MONEY, MAX_INTEGER, Kind
from conformance.model.ranges import (
    MAX_PLAIN_NUMBER,
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
from generator.columns.plan import Plan
from generator.columns.samplers import SAMPLERS, emit, sample
from generator.fuzzing.strategies import STRATEGIES, documents, values
from tests.models import collection_of, model_of
from tests.profiles import examples

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


def drawn(strategy: Any, number: int = 250) -> list[Any]:
    """Return values of a strategy."""
    found: list[Any] = []

    @examples(number)
    @given(strategy)
    def gather(value: Any) -> None:
        found.append(value)

    gather()
    return found


def sampled(field: Field) -> list[Any]:
    """Return values of the field's sampler, as stored in documents."""
    rng = np.random.default_rng(7)
    if field.element is not None:
        return list(Nested(rng, lambda _: np.empty(0)).column(field, N).tolist())
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
    found = [*drawn(values(field), 60), *sampled(field)]
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


def _numbers(found: list[Any]) -> list[float]:
    return [value for value in found if not isinstance(value, str | bool)]


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
    found = measure(field, drawn(values(field)) if reading == "strategy" else sampled(field))
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
    assert set(drawn(values(field))) == set(sampled(field)) == wanted


def test_strategy_and_sampler_of_a_scalar_generate_every_type(made_up: Model) -> None:
    """The types are string, integer, double and boolean."""
    field = made_up["things"].field("scalar")
    for found in (drawn(values(field)), sampled(field)):
        assert {int if type(value) is Int64 else type(value) for value in found} == {str, int, float, bool}
        assert max(len(value) for value in found if isinstance(value, str)) == 5


def test_optional_fields_are_present_and_absent(made_up: Model) -> None:
    """The test covers each optional field and optional key of a map."""
    collection = made_up["things"]
    for made in (drawn(documents(collection), 60), generated(made_up, "things")):
        for field in collection.fields:
            if not field.required:
                assert {field.name in document for document in made} == {True, False}, field.name
        maps = [document["map"] for document in made if "map" in document]
        assert {"b" in one for one in maps} == {True, False}
        assert all("a" in one for one in maps)


def generated(model: Model, name: str, **settings: Any) -> list[Document]:
    """Return the generated documents of one collection."""
    given_settings = load_settings(Path("none"), **settings)
    plan = Plan(model, load_configuration(model, given_settings.constants()), given_settings)
    return [document for made, batch in plan.documents() if made == name for document in batch]


@pytest.mark.parametrize("share", [0, 0.2, 1])
def test_present_is_the_fraction_of_documents_with_the_field(share: float, tmp_path: Path) -> None:
    """`present` applies to the sampler; strategies generate both cases."""
    schema = {"type": "integer", "minimum": 0, "x-sample": {"present": share}}
    things = collection_of({"n": schema}, optional=["n"], cardinality={"exactly": 1000})
    model = model_of(tmp_path, {"things": things})
    having = sum("n" in document for document in generated(model, "things"))
    assert abs(having - 1000 * share) <= 5 * math.sqrt(1000 * share * (1 - share))
    assert {"n" in document for document in drawn(documents(model["things"]), 50)} == {True, False}


UNIQUE: dict[str, dict[str, Any]] = {
    "objectid": {"x-bson": "objectId"},
    "uuid": {"type": "string", "x-uuid": 4},
    "integer": {"type": "integer", "minimum": 3},
    "text": {"type": "string", "maxLength": 3},
    "long text": {"type": "string", "minLength": 50},
    "pattern": {"type": "string", "pattern": "^[a-z]{1,4}$", "minLength": 2, "maxLength": 3},
    "pattern without regard to case": {"type": "string", "pattern": "^[A-Za-z]{3}$"},
}


@pytest.mark.parametrize("title", list(UNIQUE))
def test_unique_fields_are_unique_beyond_a_batch(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are generated one after the other and do not repeat a value."""
    monkeypatch.setattr("generator.columns.plan.BATCH", 300)
    ignore_case = "case" in title
    schema = {**UNIQUE[title], "x-unique": "ignore-case" if ignore_case else True}
    things = collection_of({"key": schema}, cardinality={"exactly": 1000})
    model = model_of(tmp_path, {"things": things})
    made = generated(model, "things")
    assert all(breaches(model["things"], document) == [] for document in made)
    keys = [document["key"].lower() if ignore_case else document["key"] for document in made]
    assert len(set(keys)) == 1000


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 99}, ("key", "99 unique values")),
        ({"type": "string", "maxLength": 1}, ("key", "maxLength 1")),
        ({"type": "string", "pattern": "^[ab]$"}, ("key", "pattern", "x-sample")),
        ({"type": "string", "pattern": "^[ab]{3}$", "maxLength": 2}, ("key", "pattern", "x-sample")),
    ],
)
def test_too_few_unique_values_are_one_error(schema: Mapping[str, Any], words: tuple[str, ...], tmp_path: Path) -> None:
    """A range with fewer than a hundred values cannot fill a hundred documents."""
    model = model_of(tmp_path, {"things": collection_of({"key": {**schema, "x-unique": True}})})
    with pytest.raises(ConfigurationError) as caught:
        generated(model, "things")
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_id_equals_its_field(model: Model) -> None:
    """The test covers every collection with x-id."""
    for collection in with_id_field(model):
        for document in drawn(documents(collection), 10):
            assert document["_id"] == document[collection.id_field or ""]


def with_id_field(model: Model) -> Iterator[Collection]:
    """Return the collections with x-id."""
    found = [collection for collection in model if collection.id_field]
    assert len(found) == 6
    return iter(found)


@pytest.mark.parametrize(
    ("schema", "low", "high"),
    [
        ({}, -round(100 * MAX_EXACT_MONEY), round(100 * MAX_EXACT_MONEY)),
        ({"minimum": 0.07}, 7, round(100 * MAX_EXACT_MONEY)),
        ({"minimum": 0.005}, 1, round(100 * MAX_EXACT_MONEY)),
        ({"maximum": 4.35}, -round(100 * MAX_EXACT_MONEY), 435),
        ({"exclusiveMinimum": 0.07, "exclusiveMaximum": 4.35}, 8, 434),
        ({"minimum": 19.99, "maximum": 19.99}, 1999, 1999),
        ({"minimum": 0, "exclusiveMinimum": 0, "maximum": 0.015}, 1, 1),
    ],
)
def test_range_of_cents_is_within_the_bounds(schema: Mapping[str, float], low: int, high: int) -> None:
    """The values are those of documents: 100 x 0.07 is 7.000000000000001, but 0.07 is allowed."""
    assert cents_range(schema) == (low, high)


@pytest.mark.parametrize(
    ("schema", "low", "high"),
    [
        ({}, -MAX_INTEGER, MAX_INTEGER),
        ({"minimum": 0.5, "maximum": 2.5}, 1, 2),
        ({"exclusiveMinimum": 0.5, "exclusiveMaximum": 2.5}, 1, 2),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, 2, 2),
        ({"minimum": -(2**60), "maximum": 2**60}, -MAX_INTEGER, MAX_INTEGER),
    ],
)
def test_range_of_integers_is_within_the_bounds(schema: Mapping[str, float], low: int, high: int) -> None:
    """Bounds need not be integers themselves."""
    assert integer_range(schema) == (low, high)


@pytest.mark.parametrize(
    ("schema", "low", "high"),
    [
        ({}, -MAX_PLAIN_NUMBER, MAX_PLAIN_NUMBER),
        ({"minimum": 5e9}, 5e9, 6e9),
        ({"maximum": -5e9}, -6e9, -5e9),
        ({"exclusiveMinimum": 0, "maximum": 1}, 5e-324, 1.0),
        ({"minimum": 0, "exclusiveMaximum": 1}, 0.0, math.nextafter(1, 0)),
        ({"minimum": 0, "exclusiveMinimum": 0, "maximum": 1}, 5e-324, 1.0),
    ],
)
def test_range_of_doubles_is_within_the_bounds(schema: Mapping[str, float], low: float, high: float) -> None:
    """The schema accepts both bounds."""
    assert number_range(schema) == (low, high)
