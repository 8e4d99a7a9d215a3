"""Arrays of doubles in columns: definite answers are the server's, and rules find the same with and without them."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest
from bson import Decimal128, Int64
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.columns.layout import Batch, UnusualError
from conformance.columns.queries import must_match
from conformance.columns.reading import batches
from conformance.columns.vectors import Shape, vectors_at
from conformance.model.collection import Field, Model
from conformance.model.kinds import MAX_NUMBER
from conformance.model.validators.server_validator import field_query
from conformance.rules.catalogue import all_rules
from conformance.rules.data.embeddings import _sound
from conformance.run import runner
from tests.conformance.rules.data.test_embeddings import FAULTS, SOUND, embedding
from tests.models import shipped_model
from tests.validation import configuration_for, context_for

SIZE: Final = 512
FIELD: Final[Field] = next(one for one in shipped_model()["product_embeddings"].fields if one.name == "image_embedding")
SHAPE: Final = Shape("image_embedding", SIZE, SIZE, MAX_NUMBER)
PLAIN: Final = [0.5] * SIZE
VALUES: Final = [row[1] for row in (*FAULTS, *SOUND) if row[0] != "absent"]
#: Lengths at and beside the limits of the rule about the length of a vector, and far from them.
UNITS: Final = [
    [scale**0.5, *[0.0] * (SIZE - 1)] for scale in (1.0, 0.9989, 0.9991, 1.0009, 1.0011, 0.99951, 1.00049, 4.0, 1e300)
]


def drawn(seed: int) -> list[Any]:
    """Return arrays with up to two elements of other kinds, some of another size."""
    rng = random.Random(seed)
    odd = [None, 1, Int64(2), True, "1", Decimal128("1"), float("nan"), float("inf"), -1e308, 0.0, [1.0], {}]
    found = []
    for _ in range(60):
        vector: list[Any] = [rng.uniform(-1, 1) for _ in range(rng.choice((SIZE, SIZE, SIZE, 0, 1, 9, 10, 11, 101)))]
        for _ in range(rng.randrange(3) if vector else 0):
            vector[rng.randrange(len(vector))] = rng.choice(odd)
        found.append(vector)
    return found


def filled(database: Database[Document], values: list[Any]) -> list[Batch]:
    """Insert a plain vector and others; return what the columns have of them."""
    documents = [{"_id": n, "image_embedding": value} for n, value in enumerate([PLAIN, *values])]
    database["product_embeddings"].insert_many(documents)
    return list(batches(database["product_embeddings"], set()))


def ids(batch: Batch) -> list[int]:
    found: list[int] = batch.window("<i4")[batch.columns["_id"].at].tolist()
    return found


@pytest.mark.parametrize("values", [VALUES, UNITS, drawn(1), drawn(2)], ids=["named", "lengths", "drawn", "drawn-2"])
def test_known_shapes_are_those_of_the_server(values: list[Any], database: Database[Document]) -> None:
    found = filled(database, values)
    collection = database["product_embeddings"]
    sound = {one["_id"] for one in collection.find({"$expr": _sound(FIELD)}, {"_id": 1})}
    valid = {one["_id"] for one in collection.find(field_query(shipped_model()["product_embeddings"], FIELD.name))}
    settled = 0
    for batch in found:
        try:
            has_shape, unsure = SHAPE.truth(batch)
        except UnusualError:  # the only document of its layout
            continue
        proven = must_match({"$jsonSchema": {"properties": {FIELD.name: _schema()}}}, batch)
        for key, holds, doubtful, meets in zip(ids(batch), has_shape, unsure, proven, strict=True):
            assert doubtful or holds == (key in sound), values[key - 1]
            assert not meets or key in valid, values[key - 1]
            settled += not doubtful
    assert settled > len(values) / 4


def _schema() -> Any:
    return field_query(shipped_model()["product_embeddings"], FIELD.name)["$jsonSchema"]["properties"][FIELD.name]


def test_bounds_and_lengths_are_those_of_the_elements(database: Database[Document]) -> None:
    vector = [*map(float, range(-3, 1_200))]
    (batch,) = filled(database, [vector, [2.0], [], [1.0, 2], "text"])
    found = vectors_at(batch, "image_embedding")
    assert found.sizes.tolist() == [SIZE, 1_203, 1, -1, -1, -1]
    assert (found.least[1], found.greatest[1]) == (-3.0, 1_199.0)
    assert found.squares[1] == pytest.approx(sum(one * one for one in vector))
    assert (found.least[2], found.greatest[2], found.squares[2]) == (2.0, 2.0, 4.0)


def test_arrays_of_which_none_holds_doubles_are_left_to_the_server(database: Database[Document]) -> None:
    database["things"].insert_many([{"_id": 1, "a": ["text"]}, {"_id": 2, "a": [1, 2]}])
    (batch,) = batches(database["things"], set())
    with pytest.raises(UnusualError):
        vectors_at(batch, "a")


@pytest.mark.parametrize(
    "values", [VALUES, UNITS, drawn(3), [["text"]] * 3], ids=["named", "lengths", "drawn", "no-vectors"]
)
def test_rules_on_vectors_find_the_same_with_and_without_columns(
    values: list[Any], model: Model, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"prod_{n:03d}" for n in range(len(values) + 2)]
    database["products"].insert_many([{"_id": key, "product_id": key} for key in keys])
    vectors = [embedding(key, image_embedding=value) for key, value in zip(keys, [PLAIN, *values, PLAIN], strict=True)]
    database["product_embeddings"].insert_many([*vectors, {"_id": "prod_z"}])
    rules = [
        rule
        for rule in all_rules(model, configuration_for(model))
        if rule.collection == "product_embeddings" and rule.family in ("documents", "embeddings")
    ]

    def selected() -> list[Any]:
        with runner.Run(rules, context_for(model, database)) as run:
            return [repr((r.id, r.status, r.examined, r.violations, r.samples, r.reason)) for r in run.results()]

    in_columns = selected()
    monkeypatch.setattr(runner, "is_here", lambda _: False)
    assert in_columns == selected()
