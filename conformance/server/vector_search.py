"""Nearest vectors: by $vectorSearch where the server has the index, else by the exact cosine, with the same result.

$vectorSearch is asked for an exact search too, so that the two agree to the last rank: of some thousands of documents
an approximate answer saves nothing. The exact cosine is computed by the server: only the nearest leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure

from conformance.model.collection import Collection, Field
from conformance.model.indexes import VectorIndex

Document = dict[str, Any]
Stage = dict[str, Any]
#: The name under which the stages leave the cosine, from -1 to 1.
SIMILARITY: Final = "similarity"
#: Condition on an array without anything that is no number.
_NUMBERS: Final[Mapping[str, Any]] = {"$not": {"$elemMatch": {"$not": {"$type": "number"}}}}
#: The most documents that $vectorSearch returns.
_LIMIT: Final = 10_000
#: Codes of servers without vector search: unknown stage; search not enabled; Atlas only.
NO_SEARCH: Final = frozenset({40324, 31082, 6047401})


@dataclass(frozen=True)
class Space:
    """The vectors of a field, and the index to search them by; None where the server has none."""

    field: Field
    index: str | None = None

    @property
    def dimensions(self) -> int:
        """Numbers of each vector."""
        return int(self.field.schema["maxItems"])

    def nearest(self, vector: Sequence[float], *, limit: int, where: Mapping[str, Any] | None = None) -> list[Stage]:
        """Stages that leave the documents nearest to the vector, nearest first, with their ``similarity``.

        ``where`` says which documents may be found. Those whose vector is no vector are not. Ties go by _id. The
        vectors themselves are gone. Raises ValueError when the vector is not of the field's dimensions, or is zero.
        """
        if len(vector) != self.dimensions or not any(vector):
            raise ValueError(
                f"a vector of {self.dimensions} numbers, not all zero, is needed; {len(vector)} were given"
            )
        found = self._indexed(vector) if self.index else self._exact(vector)
        narrowed = [{"$match": dict(where)}] if where else []
        order: list[Stage] = [{"$sort": {SIMILARITY: -1, "_id": 1}}, {"$limit": limit}]
        return [*found, *narrowed, *order] if self.index else [*narrowed, *found, *order]

    def _indexed(self, vector: Sequence[float]) -> list[Stage]:
        """Search all documents, so that a later filter has enough results; the score is (1 + cosine) / 2."""
        asked = {"index": self.index, "path": self.field.path, "queryVector": [*vector], "exact": True, "limit": _LIMIT}
        cosine = {"$subtract": [{"$multiply": [2, {"$meta": "vectorSearchScore"}]}, 1]}
        return [{"$vectorSearch": asked}, {"$set": {SIMILARITY: cosine}}, {"$unset": self.field.path}]

    def _exact(self, vector: Sequence[float]) -> list[Stage]:
        """Return the cosine by its definition, without the zeros that pad short vectors."""
        path, last = f"${self.field.path}", max(place for place, number in enumerate(vector) if number) + 1
        length = sum(number * number for number in vector) ** 0.5
        query = [number / length for number in vector[:last]]
        product = {"$multiply": [{"$arrayElemAt": [path, "$$n"]}, {"$arrayElemAt": [query, "$$n"]}]}
        dot = {"$sum": {"$map": {"input": {"$range": [0, last]}, "as": "n", "in": product}}}
        norm = {"$sqrt": {"$sum": {"$map": {"input": path, "in": {"$multiply": ["$$this", "$$this"]}}}}}
        return [
            {"$match": {self.field.path: {"$size": self.dimensions, **_NUMBERS}}},
            {"$set": {SIMILARITY: {"$let": {"vars": {"norm": norm}, "in": _quotient(dot, "$$norm")}}}},
            {"$unset": self.field.path},
            {"$match": {SIMILARITY: {"$ne": None}}},
        ]


def _quotient(dividend: Any, divisor: Any) -> Any:
    """None for a vector of zeros, which is near nothing."""
    return {"$cond": [{"$gt": [divisor, 0]}, {"$divide": [dividend, divisor]}, None]}


def space(collection: Collection, field: str, documents: MongoCollection[Document]) -> Space:
    """Return the space of a vector field, with the model's index if the server has it and answers queries by it."""
    wanted = collection.vector_index
    usable = wanted is not None and field in wanted.dimensions and _has(documents, wanted)
    return Space(collection.field(field), wanted.name if usable and wanted else None)


def _has(documents: MongoCollection[Document], index: VectorIndex) -> bool:
    if index.similarity != "cosine":
        return False
    try:
        return any(found.get("queryable") for found in documents.list_search_indexes(index.name))
    except OperationFailure as error:
        if error.code in NO_SEARCH:
            return False
        raise
