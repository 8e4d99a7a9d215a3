"""What vectors are made from: the texts of a document, their digest, and the fields that say both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance.model import Collection, Field
from generator.embedder import Embedder

Document = dict[str, Any]


def embedded_paths(collection: Collection) -> list[str]:
    """The paths whose texts go into the collection's vectors, each once, in the order of the schema."""
    return list(dict.fromkeys(path for field in vector_fields(collection) for path in _of(field)))


def joined(values: Iterable[Any]) -> str:
    """The text that is embedded, of the values that make it up."""
    return ". ".join(map(str, values))


def text_digest(texts: Iterable[Any]) -> str:
    """SHA-256, in hexadecimal, of the values at `embedded_paths`."""
    return hashlib.sha256("\0".join(map(str, texts)).encode()).hexdigest()


def vectors_of(collection: Collection, embedder: Embedder, rows: Sequence[Mapping[str, Any]]) -> list[Document]:
    """The fields that say a row's meaning: its vectors, and where the schema has them, provider and digest.

    ``rows`` hold the values at `embedded_paths`, by path.
    """
    made: list[Document] = [{} for _ in rows]
    for field in vector_fields(collection):
        texts = [joined(row[path] for path in _of(field)) for row in rows]
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
    """The digest of a row that holds the values at `embedded_paths`, by path."""
    return text_digest(row[path] for path in embedded_paths(collection))


def vector_fields(collection: Collection) -> list[Field]:
    """The fields whose recipe says what text they are made from."""
    return [field for field in collection.fields if "embedding" in field.sample]


def _of(field: Field) -> list[str]:
    return list(field.sample["embedding"]["of"])
