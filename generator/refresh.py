"""Keeping vectors fresh: which are missing, of another text or of another model, and making those anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from conformance.connection.client import in_words
from conformance.connection.collation import SIMPLE
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Collection, Model, Reference
from conformance.model.embedding import embedded_paths, vector_fields
from conformance.model.kinds import timestamp_of
from generator.embeddings.embedded_text import digest_of, vectors_of
from generator.embeddings.embedder import Embedder
from generator.loader import Progress

Document = dict[str, Any]
#: Documents looked at, embedded and written at a time: at 1,536 numbers each about 4 MB.
_BATCH: Final = 200


@dataclass(frozen=True)
class Refreshed:
    """The result for one collection: documents whose vectors were computed again, added, and left unchanged."""

    renewed: int
    added: int
    unchanged: int


def refresh(
    model: Model,
    database: Database[Any],
    embedder: Embedder,
    *,
    everything: bool = False,
    progress: Progress | None = None,
) -> Mapping[str, Refreshed]:
    """Make the vectors that are missing, of another text or of another provider; what was done, by collection.

    With ``everything``, also those that look fresh. Where the schema keeps neither provider nor digest nothing looks
    fresh. Raises ConfigurationError when the model has no vectors, TargetError when the server refuses a document.
    """
    found = {c.name: _refresh(model, c, database, embedder, everything, progress) for c in model if vector_fields(c)}
    if not found:
        raise ConfigurationError("no schema declares the source of a vector; give a vector field x-sample embedding")
    return found


@dataclass(frozen=True)
class _Source:
    """The document that vectors describe: its key, the values at `embedded_paths`, and whether it is live."""

    key: Any
    row: Mapping[str, Any]
    live: bool


def _refresh(
    model: Model,
    collection: Collection,
    database: Database[Any],
    embedder: Embedder,
    everything: bool,
    progress: Progress | None,
) -> Refreshed:
    reference = _described(collection)
    sources = _sources(model, collection, reference, database)
    renewed = added = unchanged = 0
    while batch := list(islice(sources, _BATCH)):
        held = _held(collection, reference, database, [source.key for source in batch])
        stale = [
            source
            for source in batch
            if everything or source.key not in held or not _fresh(collection, held[source.key], source, embedder)
        ]
        if stale:
            made = vectors_of(collection, embedder, [source.row for source in stale])
            _write(collection, reference, database, stale, made)
        new = sum(source.key not in held for source in stale)
        added, renewed, unchanged = added + new, renewed + len(stale) - new, unchanged + len(batch) - len(stale)
        if progress is not None:
            progress(collection.name, len(batch))
    return Refreshed(renewed, added, unchanged)


def _sources(model: Model, collection: Collection, reference: Reference, database: Database[Any]) -> Iterator[_Source]:
    names = {path: path.partition(".")[2] for path in embedded_paths(collection)}
    flag = model[reference.target].soft_delete
    wanted = [reference.target_field, *names.values(), *([flag] if flag else [])]
    for document in database[reference.target].find({}, {"_id": 0, **dict.fromkeys(wanted, 1)}).sort("_id", 1):
        row = {path: document.get(name, "") for path, name in names.items()}
        yield _Source(document[reference.target_field], row, live=flag is None or document.get(flag) is not True)


def _held(
    collection: Collection, reference: Reference, database: Database[Any], keys: list[Any]
) -> dict[Any, Document]:
    """Return what is known of the vectors that are there, by key; the vectors themselves stay where they are."""
    vectors = dict.fromkeys((field.name for field in vector_fields(collection)), 0)
    return {
        one[reference.field]: one for one in database[collection.name].find({reference.field: {"$in": keys}}, vectors)
    }


def _fresh(collection: Collection, held: Document, source: _Source, embedder: Embedder) -> bool:
    wanted = {"provider": embedder.provider, "digest": digest_of(collection, source.row)}
    marks = {field.sample["embedded"]: field.name for field in collection.fields if "embedded" in field.sample}
    hidden = source.live and collection.soft_delete is not None and held.get(collection.soft_delete) is True
    return not hidden and marks.keys() == wanted.keys() and all(held.get(marks[key]) == wanted[key] for key in wanted)


def _write(
    collection: Collection, reference: Reference, database: Database[Any], stale: list[_Source], made: list[Document]
) -> None:
    """Vectors of what is live are live; those of what is deleted are added as deleted, and else left as they are."""
    now = dt.datetime.now(dt.UTC)
    times = {
        field.name: timestamp_of(now, field.schema)
        for field in collection.fields
        if field.required and field.kind == "timestamp"
    }
    flag = collection.soft_delete
    writes = []
    for source, vectors in zip(stale, made, strict=True):
        always = vectors | times | ({flag: False} if flag and source.live else {})
        first = ({flag: True} if flag and not source.live else {}) | (
            {"_id": source.key} if collection.id_field else {}
        )
        update = {"$set": always, "$setOnInsert": first}
        writes.append(UpdateOne({reference.field: source.key}, update, upsert=True, collation=SIMPLE))
    try:
        database[collection.name].bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        reason = in_words(error)
        raise TargetError(f"{collection.name}: the server rejected a vector: {reason}; run zava provision") from error


def _described(collection: Collection) -> Reference:
    """Return the reference to the described documents; raise ConfigurationError unless there is exactly one."""
    named = {path.partition(".")[0] for path in embedded_paths(collection)}
    found = [reference for reference in collection.references if reference.field in named]
    if len(named) != 1 or len(found) != 1:
        raise ConfigurationError(
            f"{collection.path}: the vectors are made from {', '.join(sorted(named))}; only those of one document that"
            " the collection refers to can be kept fresh"
        )
    return found[0]
