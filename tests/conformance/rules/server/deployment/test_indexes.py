"""Indexes: samples and counts, redundant indexes of the model, and the vector search index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure

from conformance.model.collection import Model
from conformance.model.indexes import Index, VectorIndex
from conformance.server.provision import apply, plan
from tests.conformance.rules.server.deployment.rules import Documents, context_of, run_all
from tests.validation import failed

pytestmark = pytest.mark.server


def test_samples_are_bounded_and_counts_are_exact(database: Documents, model: Model) -> None:
    for field in ("tax", "total", "subtotal", "item_count", "store_name", "customer_name", "updated_at"):
        database.orders.create_index(field)
    outcome = run_all(replace(context_of(model, database), sample_size=3))["indexes.orders.extra"]
    assert (outcome.examined, outcome.violations, len(outcome.samples)) == (15, 7, 3)


def test_redundant_index_of_the_model_is_reported(database: Documents, model: Model) -> None:
    """The redundancy is reported although every index is declared; two directions of one pair share a rule."""
    declared = [(("status", 1), ("tax", 1)), (("status", 1), ("tax", -1))]
    more = tuple(Index(keys, unique=False, weights={}) for keys in declared)
    stores = replace(model["orders"], indexes=model["orders"].indexes + more)
    altered = replace(model, collections={**model.collections, "orders": stores})
    found = run_all(context_of(altered, database))
    assert {name for name in failed(found) if name.startswith("indexes.")} == {"indexes.orders.status+tax"}
    assert (found["indexes.orders.status+tax"].examined, found["indexes.orders.status+tax"].violations) == (2, 2)
    apply(plan(altered, database), database)
    found = run_all(context_of(altered, database))
    assert failed(found) == {"indexes.orders.redundant"}
    assert [sample.ref for sample in found["indexes.orders.redundant"].samples] == ["orders.status_1"]


# --- vector search ----------------------------------------------------------------------------------------------------


VECTOR_RULE = "indexes.product_embeddings.vector_index"
IMAGE = MappingProxyType({"type": "vector", "path": "image_embedding", "numDimensions": 512, "similarity": "cosine"})
DESCRIPTION = MappingProxyType(
    {"type": "vector", "path": "description_embedding", "numDimensions": 1536, "similarity": "cosine"}
)


def atlas(*fields: Mapping[str, Any], **other: Any) -> list[dict[str, Any]]:
    """Return an index as `$listSearchIndexes` shows it."""
    definition = {"fields": [dict(field) for field in fields]}
    return [
        {"name": "vector_index", "type": "vectorSearch", "status": "READY", "latestDefinition": definition, **other}
    ]


@pytest.mark.parametrize(
    ("listed", "whys"),
    [
        (atlas(IMAGE, DESCRIPTION), []),
        (atlas(DESCRIPTION, {"type": "filter", "path": "deleted"}, IMAGE), []),
        ([], ["the vector search index does not exist"]),
        (atlas(IMAGE), ["description_embedding is not in the index"]),
        (
            atlas({**DESCRIPTION, "similarity": "euclidean"}),
            [
                "image_embedding is not in the index",
                'description_embedding has similarity "euclidean"; expected "cosine"',
            ],
        ),
        (atlas({**IMAGE, "numDimensions": 768}, DESCRIPTION), ["image_embedding has numDimensions 768; expected 512"]),
        (
            atlas({**IMAGE, "similarity": "euclidean"}, {**DESCRIPTION, "numDimensions": 512}),
            [
                'image_embedding has similarity "euclidean"; expected "cosine"',
                "description_embedding has numDimensions 512; expected 1536",
            ],
        ),
        (
            atlas(IMAGE, DESCRIPTION, {**IMAGE, "path": "sound"}),
            ["sound is in the index but not in the model"],
        ),
        (atlas(IMAGE, DESCRIPTION, type="search"), ["the index has type search; expected vectorSearch"]),
        (atlas(IMAGE, DESCRIPTION, status="FAILED"), ["its build failed; see Atlas for the reason"]),
    ],
)
def test_existing_vector_index_is_compared(
    listed: list[dict[str, Any]], whys: list[str], database: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MongoCollection, "list_search_indexes", lambda _self, _name: iter(listed))
    outcome = run_all(context_of(model, database))[VECTOR_RULE]
    assert [sample.why for sample in outcome.samples] == whys
    assert (outcome.examined, outcome.violations) == (2, len(whys))
    assert "note" not in outcome.evidence


def test_missing_vector_search_is_noted(database: Documents, model: Model) -> None:
    outcome = run_all(context_of(model, database))[VECTOR_RULE]
    assert (outcome.examined, outcome.violations) == (2, 0)
    assert "the server has no vector search, so only the declaration was compared" in outcome.evidence["note"]


@pytest.mark.parametrize(
    ("dimensions", "why"),
    [
        ({"image_embedding": 768}, "image_embedding has 512 to 512 numbers in the schema but 768 dimensions"),
        ({"image_url": 512}, "image_url is not an array of numbers in the schema"),
        ({"nowhere": 512}, "nowhere is not an array of numbers in the schema"),
    ],
)
def test_declaration_is_examined_without_vector_search(
    dimensions: dict[str, int], why: str, database: Documents, model: Model
) -> None:
    index = VectorIndex("vector_index", "cosine", dimensions)
    altered = replace(model["product_embeddings"], vector_index=index)
    model = replace(model, collections={**model.collections, "product_embeddings": altered})
    (sample,) = run_all(context_of(model, database))[VECTOR_RULE].samples
    assert why in sample.why


def test_other_error_of_the_server_is_raised(
    database: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OperationFailure("not allowed", 13)

    monkeypatch.setattr(MongoCollection, "list_search_indexes", refuse)
    with pytest.raises(OperationFailure, match="not allowed"):
        run_all(context_of(model, database))
