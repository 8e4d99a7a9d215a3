"""Sources of vectors: the texts of a document, their digest, and the fields that hold both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from conformance.model.collection import Collection, Field


def vector_fields(collection: Collection) -> list[Field]:
    """Return the fields whose recipe says what text they are made from."""
    return [field for field in collection.fields if "embedding" in field.sample]


def source_paths(field: Field) -> list[str]:
    """Return the paths whose texts go into one vector field."""
    return list(field.sample["embedding"]["of"])


def embedded_paths(collection: Collection) -> list[str]:
    """Return the paths whose texts go into the collection's vectors, each once, in the order of the schema."""
    return list(dict.fromkeys(path for field in vector_fields(collection) for path in source_paths(field)))


def mark(collection: Collection, what: str) -> Field | None:
    """Return the field that holds the ``provider`` or the ``digest`` of the collection's vectors, if there is one."""
    return next((field for field in collection.fields if field.sample.get("embedded") == what), None)


def text_digest(texts: Iterable[object]) -> str:
    """Return the SHA-256, in hexadecimal, of the values at `embedded_paths`."""
    return hashlib.sha256("\0".join(map(as_text, texts)).encode("utf-8", "surrogatepass")).hexdigest()


def as_text(value: object) -> str:
    """Return a value as it stands in an embedded text; a whole number is the same text in every type."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
