"""Unique fields, ids that equal a field, and the bounds of drawn numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Model
from conformance.model.kinds import MAX_EXACT_MONEY, MAX_INTEGER
from conformance.model.ranges import (
    MAX_PLAIN_NUMBER,
    cents_range,
    integer_range,
    number_range,
)
from conformance.model.validators.document_validator import breaches
from generator.fuzzing.strategies import documents
from tests.generator.fields import drawn, generated
from tests.models import collection_of, model_of

pytestmark = pytest.mark.slow


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
