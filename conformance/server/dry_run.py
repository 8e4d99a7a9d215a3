"""Candidates: documents that are not in a collection yet, validated by the server as if they were.

They are passed to a pipeline, which writes nothing. The server's validator then decides before the insert as it
is after it, at some 60,000 documents/s, where the Python oracle has 15,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import InvalidOperation, OperationFailure

from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Collection
from conformance.model.validators.document_validator import breaches
from conformance.model.validators.server_validator import validator

Query = Mapping[str, Any]

#: A command is at most 48 MB, and one document of it 16 MB.
_BYTES: Final = 8_000_000
_DOCUMENTS: Final = 1_000


def batches(documents: Iterable[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    """Yield the documents in portions that fit into one command."""
    batch: list[RawBSONDocument] = []
    size = 0
    for document in documents:
        if batch and (len(batch) == _DOCUMENTS or size + len(document.raw) > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.raw)
    if batch:
        yield batch


def matching(
    place: Database[Any] | MongoCollection[Any], documents: Sequence[Mapping[str, Any]], query: Query, limit: int = 1
) -> list[dict[str, Any]]:
    """Those of the documents that meet the query, as the server sees them, at most ``limit``.

    ``place`` is a database all of which the user may read, or any collection that he may read and that is not empty.
    """
    given: dict[str, Any] = {"$literal": list(documents)}
    if isinstance(place, Database):
        source: list[dict[str, Any]] = [{"$documents": given}]
    else:
        source = [{"$limit": 1}, {"$project": {"_id": 0, "given": given}}]
        source += [{"$unwind": "$given"}, {"$replaceRoot": {"newRoot": "$given"}}]
    return list(place.aggregate([*source, {"$match": dict(query)}, {"$limit": limit}]))


def misfit(
    database: Database[Any], collection: Collection, documents: Sequence[RawBSONDocument]
) -> tuple[Any, str] | None:
    """Return the _id of the first document that does not meet the collection's schema, and why; None when all do.

    What the server does not take as an argument (a document as large or as deep as one may be, or any, from a user who
    may not read the whole database) is validated here.
    """
    suspects: list[dict[str, Any]] = []
    try:
        suspects = matching(database, documents, {"$nor": [validator(collection)]})
        if not suspects:
            return None
    except (OperationFailure, InvalidOperation, bson.errors.BSONError):
        pass
    for document in documents:
        decoded = bson.decode(document.raw, OPTIONS)
        found = breaches(collection, decoded)
        if found:
            return decoded["_id"], f"{found[0].path or 'the document'} {found[0].message}"
    return (suspects[0].get("_id"), "the server's validator rejects it") if suspects else None
