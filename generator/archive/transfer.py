"""Export and import: a database's documents into an archive and back, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure

from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Model
from conformance.server import provision
from conformance.server.dry_run import batches, misfit
from conformance.server.target import Target
from generator import dataset
from generator.archive.archive import RAW, Archive, Form, new_archive
from generator.dataset import Notice
from generator.loader import Progress, load

#: SnapshotUnavailable and SnapshotTooOld.
_FORGOTTEN: Final = frozenset({246, 239})
Raw = MongoCollection[RawBSONDocument]


def export(
    model: Model,
    target: Target,
    folder: Path,
    *,
    form: Form = "json",
    compressed: bool = False,
    progress: Progress | None = None,
) -> Mapping[str, int]:
    """Write the model's collections, as they are at one moment, by _id, to a new archive; documents by collection.

    The same documents give the same files. Raises ConfigurationError for the folder, TargetError for the server.
    """
    with new_archive(folder, model, target.database.name, form, compressed=compressed) as writer:
        try:
            with target.client.start_session(snapshot=True) as session:
                for collection in model:
                    found = _raw(target, collection.name).find({}, session=session, sort=[("_id", 1)])
                    writer.add(collection.name, _reported(found, collection.name, progress))
        except OperationFailure as error:
            if error.code not in _FORGOTTEN:
                raise
            raise TargetError(
                f"{target.info.uri}: the export took longer than the server keeps its past, so it would mix two states;"
                " raise the server's parameter minSnapshotHistoryWindowInSeconds"
            ) from None
        return {entry.collection: entry.documents for entry in writer.entries}


def verify(model: Model, target: Target, archive: Archive, *, validate: bool, progress: Progress | None = None) -> None:
    """Read all of an archive and write nothing: files, checksums, counts, and each document against its schema.

    ConfigurationError, one line, for the first thing that is wrong.
    """
    archive.check_files()
    for entry in archive.manifest.collections:
        for batch in batches(archive.documents(entry)):
            problem = misfit(target.database, model[entry.collection], batch) if validate else None
            if problem is not None:
                raise ConfigurationError(
                    f"{archive.path(entry)}: the document with _id {problem[0]!r} does not meet its schema:"
                    f" {problem[1]}; nothing was written; correct it at its source, or pass --no-validate"
                )
            if progress is not None:
                progress(f"verify {entry.collection}", len(batch))


def restore(
    model: Model,
    target: Target,
    archive: Archive,
    *,
    batch_size: int,
    replace: bool,
    validate: bool,
    notice: Notice,
    progress: Progress | None = None,
) -> Mapping[str, int]:
    """Bring a verified archive into the target; the documents written now, by collection.

    The database must hold no documents of the model, or be what an import of the same archive left when it was
    interrupted: then only what is missing is written. ``replace`` drops the model's collections first. ``validate``
    sets validators and images before and indexes after, as generating does; without it the documents are written
    whatever they are, and nothing else is. Raises ConfigurationError or TargetError, one line.
    """
    resumable = not replace and not dataset.unfinished(target)
    begun: Mapping[str, int] = {}
    try:
        dataset.make_room(model, target, replace=replace, notice=notice)
    except ConfigurationError:
        # Only now: an import that began after an earlier look would be taken for somebody else's data.
        begun = _begun(model, target, archive) if resumable else {}
        if not begun:
            raise
        notice("what is there already is this import's own: only what is missing is written")
    dataset.note_imported(target)
    if validate:
        provision.apply(provision.plan(model, target.database, parts=dataset.SHAPES), target.database)
    missing = _missing(target, archive, begun)
    written = load(missing, target.database, batch_size, progress, bypass_validation=not validate)
    if validate:
        provision.apply(provision.plan(model, target.database), target.database)
    for entry in archive.manifest.collections:
        there = target.database[entry.collection].count_documents({})
        if there != entry.documents:
            raise TargetError(
                f"{target.database.name}.{entry.collection} holds {there:,} documents, and the export"
                f" {entry.documents:,}: somebody else writes to it; stop that and import again with --drop"
            )
    return written


def _begun(model: Model, target: Target, archive: Archive) -> Mapping[str, int]:
    """Return the documents by collection that an interrupted import left; empty if there are others.

    Every document that is there must be the archive's, to the byte.
    """
    entries = {entry.collection: entry for entry in archive.manifest.collections}
    held = {c.name: size for c in model if (size := target.database[c.name].count_documents({}))}
    for name, size in held.items():
        if name not in entries or size > entries[name].documents:
            return {}
        same = 0
        for batch in batches(archive.documents(entries[name])):
            there = {bytes(document.raw) for document in _found(_raw(target, name), batch)}
            same += sum(bytes(document.raw) in there for document in batch)
        if same < size:  # more are there when another import of it goes on meanwhile
            return {}
    return held


def _missing(target: Target, archive: Archive, begun: Mapping[str, int]) -> Iterator[tuple[str, list[Any]]]:
    for entry in archive.manifest.collections:
        if begun.get(entry.collection) == entry.documents:
            continue
        for batch in batches(archive.documents(entry)):
            if entry.collection in begun:
                there = {bytes(document.raw) for document in _found(_raw(target, entry.collection), batch)}
                batch = [document for document in batch if bytes(document.raw) not in there]
            if batch:
                yield entry.collection, batch


def _found(collection: Raw, batch: list[RawBSONDocument]) -> Iterable[RawBSONDocument]:
    return collection.find({"_id": {"$in": [document["_id"] for document in batch]}})


def _raw(target: Target, name: str) -> Raw:
    return target.database.with_options(codec_options=RAW)[name]


def _reported(documents: Iterable[RawBSONDocument], name: str, progress: Progress | None) -> Iterator[RawBSONDocument]:
    for batch in batches(documents):
        yield from batch
        if progress is not None:
            progress(name, len(batch))
