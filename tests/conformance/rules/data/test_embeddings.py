"""Family embeddings: every kind of invalid vector or pair is counted exactly and explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bson import Decimal128, Int64
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener

from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.data.embeddings import rules
from tests.validation import configuration_for, context_for, failed, run_rules

Mongo = Database[dict[str, Any]]

IMAGE = "embeddings.product_embeddings.image_embedding"
TEXT = "embeddings.product_embeddings.description_embedding"
PAIR = "embeddings.product_embeddings.product_id"
ABSENT = object()

FAULTS = [
    ("too short", [0.5] * 511, "has 511 numbers; expected 512"),
    ("too long", [0.5] * 513, "has 513 numbers; expected 512"),
    ("empty", [], "has 0 numbers; expected 512"),
    ("all zero", [0.0] * 512, "all numbers of"),
    ("all zero, of each kind", [0.0, -0.0, 0, Int64(0)] * 128, "all numbers of"),
    ("not a number", [0.5] * 100 + [float("nan")] + [0.5] * 411, "element 100 of image_embedding is NaN"),
    ("infinite", [float("inf")] + [0.5] * 511, "element 0 of image_embedding is Infinity"),
    ("minus infinite", [0.5] * 511 + [float("-inf")], "element 511 of image_embedding is -Infinity"),
    ("a null", [0.5] * 511 + [None], "element 511 of image_embedding is null"),
    ("all null", [None] * 512, "element 0 of image_embedding is null"),
    ("a string", ["0.5"] + [0.5] * 511, 'element 0 of image_embedding is "0.5"'),
    ("all strings", ["0.5"] * 512, 'element 0 of image_embedding is "0.5"'),
    ("a boolean", [0.5] * 511 + [True], "element 511 of image_embedding is true"),
    ("an array within", [0.5] * 511 + [[0.5]], "element 511 of image_embedding is [0.5]"),
    ("an object within", [{}] + [0.5] * 511, "element 0 of image_embedding is {}"),
    ("a decimal", [0.5] * 511 + [Decimal128("0.5")], "element 511 of image_embedding is 0.5 (decimal)"),
    ("all decimals", [Decimal128("1")] * 512, "element 0 of image_embedding is 1 (decimal)"),
    ("a decimal NaN", [0.5] * 511 + [Decimal128("NaN")], "element 511 of image_embedding"),
    ("null", None, "is null; expected an array"),
    ("a number", 0.5, "is 0.5; expected an array"),
    ("an object", {"0": 0.5}, "expected an array"),
    ("absent", ABSENT, "is missing"),
]

SOUND = [
    ("one element not zero", [0.0] * 511 + [1e-300]),
    ("negative", [-0.5] * 512),
    ("zero and less", [-0.5, 0.0] * 256),
    ("zero and more", [0.5, 0.0] * 256),
    ("whole numbers of every kind", [1, Int64(2), 3.0, 0] * 128),
    ("the largest", [1.7976931348623157e308, -1.7976931348623157e308] * 256),
]


def embedding(key: str, **changes: Any) -> dict[str, Any]:
    """Return a valid document with these changes."""
    whole = {"_id": key, "product_id": key, "image_embedding": [0.5] * 512, "description_embedding": [0.25] * 1536}
    return {name: value for name, value in (whole | changes).items() if value is not ABSENT}


@pytest.fixture
def shop(database: Mongo) -> Mongo:
    """Three products, each with its vectors."""
    keys = ["prod_1", "prod_2", "prod_3"]
    database["products"].insert_many([{"_id": key, "product_id": key} for key in keys])
    database["product_embeddings"].insert_many([embedding(key) for key in keys])
    return database


def verdict(model: Model, database: Mongo, **options: Any) -> dict[str, Outcome]:
    """The family's outcomes."""
    shapes = [rule for rule in rules(model, configuration_for(model)) if rule.id in (IMAGE, TEXT, PAIR)]
    return run_rules(shapes, replace(context_for(model, database), **options))


def test_sound_vectors_pass(model: Model, shop: Mongo) -> None:
    outcomes = verdict(model, shop)
    assert outcomes.keys() == {IMAGE, TEXT, PAIR}
    assert {(one.examined, one.violations, one.skipped) for one in outcomes.values()} == {(3, 0, None)}


@pytest.mark.parametrize(("vector", "why"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_invalid_vector_is_reported_with_its_reason(model: Model, shop: Mongo, vector: Any, why: str) -> None:
    shop["product_embeddings"].replace_one({"_id": "prod_2"}, embedding("prod_2", image_embedding=vector))
    outcomes = verdict(model, shop)
    assert failed(outcomes) == {IMAGE}
    assert (outcomes[IMAGE].examined, outcomes[IMAGE].violations) == (3, 1)
    (sample,) = outcomes[IMAGE].samples
    assert sample.id == "prod_2"
    assert why in sample.why
    assert len(sample.why) < 150


@pytest.mark.parametrize("vector", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_unusual_valid_vector_is_accepted(model: Model, shop: Mongo, vector: Any) -> None:
    shop["product_embeddings"].update_one({"_id": "prod_2"}, {"$set": {"image_embedding": vector}})
    assert failed(verdict(model, shop)) == set()


def test_counts_are_exact_and_samples_are_bounded(model: Model, shop: Mongo) -> None:
    keys = [f"prod_x{n:02d}" for n in range(20)]
    shop["products"].insert_many([{"_id": key, "product_id": key} for key in keys])
    broken = {"image_embedding": [], "description_embedding": 1}
    shop["product_embeddings"].insert_many([embedding(key, **broken) for key in reversed(keys)])
    shop["product_embeddings"].update_one({"_id": "prod_1"}, {"$unset": {"description_embedding": 1}})
    outcomes = verdict(model, shop, sample_size=4)
    assert (outcomes[IMAGE].violations, outcomes[TEXT].violations, outcomes[PAIR].violations) == (20, 21, 0)
    assert [sample.id for sample in outcomes[IMAGE].samples] == keys[:4]
    assert [sample.id for sample in outcomes[TEXT].samples] == ["prod_1", *keys[:3]]
    shop["product_embeddings"].delete_many({"_id": {"$in": keys}})
    outcome = verdict(model, shop, sample_size=4)[PAIR]
    assert (outcome.violations, [sample.id for sample in outcome.samples]) == (20, keys[:4])


def test_missing_vectors_skip_the_rule(model: Model, shop: Mongo) -> None:
    shop["product_embeddings"].delete_many({})
    outcomes = verdict(model, shop)
    assert outcomes[IMAGE].skipped == outcomes[TEXT].skipped == "product_embeddings is empty"
    assert (outcomes[PAIR].examined, outcomes[PAIR].violations) == (3, 3)
    shop["products"].delete_many({})
    assert verdict(model, shop)[PAIR].skipped is not None


@pytest.mark.parametrize(
    ("remove", "add", "figures", "identity", "why"),
    [
        ("prod_2", [], (3, 1), "prod_2", 'products "prod_2" has 0 documents in product_embeddings'),
        (None, [embedding("again", product_id="prod_2")], (3, 1), "prod_2", 'products "prod_2" has 2 documents in'),
        (None, [embedding("lone")], (4, 1), "lone", 'product_id is "lone", but no document of products has that key'),
        (None, [embedding("a", product_id="x"), embedding("b", product_id="x")], (5, 2), "a", 'product_id is "x"'),
        (None, [embedding("void", product_id=None)], (4, 1), "void", "product_id is null"),
        (None, [embedding("odd", product_id=["prod_1"])], (4, 1), "odd", 'product_id is ["prod_1"]'),
    ],
    ids=["no vector", "two vectors", "no product", "two without product", "null", "an array"],
)
def test_broken_pair_is_reported(
    model: Model, shop: Mongo, remove: str | None, add: list[Any], figures: tuple[int, int], identity: str, why: str
) -> None:
    shop["product_embeddings"].delete_many({"_id": remove} if remove else {"_id": "nothing"})
    shop["product_embeddings"].insert_many(add) if add else None
    outcomes = verdict(model, shop)
    assert failed(outcomes) == {PAIR}
    assert (outcomes[PAIR].examined, outcomes[PAIR].violations) == figures
    assert outcomes[PAIR].samples[0].id == identity
    assert why in outcomes[PAIR].samples[0].why


def test_deleted_vector_does_not_count_for_a_live_product(model: Model, shop: Mongo) -> None:
    """It counts for a product that is deleted too."""
    shop["product_embeddings"].update_many({"_id": {"$in": ["prod_1", "prod_2"]}}, {"$set": {"deleted": True}})
    shop["products"].update_many({"_id": {"$in": ["prod_2", "prod_3"]}}, {"$set": {"deleted": True}})
    outcome = verdict(model, shop)[PAIR]
    assert (outcome.examined, outcome.violations) == (3, 1)
    assert [(sample.id, sample.why) for sample in outcome.samples] == [
        ("prod_1", 'products "prod_1" has only a deleted document in product_embeddings; expected exactly one')
    ]


def test_deleted_product_needs_no_vector(model: Model, shop: Mongo) -> None:
    shop["products"].update_one({"_id": "prod_2"}, {"$set": {"deleted": True}})
    shop["product_embeddings"].delete_one({"_id": "prod_2"})
    outcome = verdict(model, shop)[PAIR]
    assert (outcome.examined, outcome.violations) == (3, 0)


def test_duplicate_keys_report_the_first_product_by_id(model: Model, shop: Mongo) -> None:
    shop["products"].insert_many([{"_id": f"prod_{key}", "product_id": "prod_2"} for key in "0x"])
    shop["product_embeddings"].delete_one({"_id": "prod_2"})
    assert [sample.id for sample in verdict(model, shop)[PAIR].samples] == ["prod_0"]


def test_collection_with_several_vectors_per_parent_has_no_pairing_rule(model: Model) -> None:
    vectors = model["product_embeddings"]
    several = replace(vectors, schema={**vectors.schema, "x-cardinality": {"per": ["products"], "between": [0, 2]}})
    altered = replace(model, collections={**model.collections, several.name: several})
    assert PAIR not in {rule.id for rule in rules(altered, configuration_for(model))}


class _Commands(CommandListener):
    """Record the commands that a client sends."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event: Any) -> None:
        self.sent.append(event.command_name)

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


def test_valid_vectors_are_read_in_one_pass(model: Model, shop: Mongo) -> None:
    listener = _Commands()
    address = shop.client.address
    assert address is not None
    host, port = address
    with MongoClient(host, port, directConnection=True, event_listeners=[listener]) as client:
        context = context_for(model, client[shop.name])
        assert set(context.counts)
        listener.sent.clear()
        vectors = [rule for rule in rules(model, configuration_for(model)) if rule.id in (IMAGE, TEXT)]
        assert failed(run_rules(vectors, context)) == set()
        assert listener.sent == ["find"]
