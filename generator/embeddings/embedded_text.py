"""Making vectors: the text of a row, and the fields that say its meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance.model.collection import Collection
from conformance.model.embedding import as_text, embedded_paths, source_paths, text_digest, vector_fields
from generator.embeddings.embedder import Embedder

Document = dict[str, Any]


def joined(values: Iterable[Any]) -> str:
    """Return the text that is embedded, of the values that make it up."""
    return ". ".join(map(as_text, values))


def vectors_of(collection: Collection, embedder: Embedder, rows: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Return the fields that say a row's meaning: its vectors, and where the schema has them, provider and digest.

    ``rows`` hold the values at `embedded_paths`, by path.
    """
    made: list[Document] = [{} for _ in rows]
    for field in vector_fields(collection):
        texts = [joined(row[path] for path in source_paths(field)) for row in rows]
        for document, vector in zip(made, embedder.embed(texts, field.schema["maxItems"]), strict=True):
            document[field.name] = vector.tolist()
    for field in collection.fields:
        if field.sample.get("embedded") == "provider":
            for document in made:
                document[field.name] = embedder.provider
        elif field.sample.get("embedded") == "digest":
            for document, row in zip(made, rows, strict=True):
                document[field.name] = digest_of(collection, row)
    return made


def digest_of(collection: Collection, row: Mapping[str, Any]) -> str:
    """Return the digest of a row that holds the values at `embedded_paths`, by path."""
    return text_digest(row[path] for path in embedded_paths(collection))
