"""An addition: a few new documents that belong together, validated like existing data, and written all or none."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pymongo.client_session import ClientSession
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from conformance.checks.base import Rule
from conformance.checks.document_scan import DocumentTest
from conformance.config.configuration import Configuration
from conformance.config.settings import Settings
from conformance.connection.client import in_words
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Collection, Field, Model
from conformance.model.kinds import timestamp_of
from conformance.model.validators.document_validator import breaches
from conformance.server.dry_run import matching
from conformance.text.rendering import shorten
from generator.columns.batch import Document
from generator.columns.plan import Plan
from generator.columns.protocols import Rows

Addition = Mapping[str, Sequence[Document]]

_DUPLICATE = 11000


def completed(
    model: Model,
    configuration: Configuration,
    settings: Settings,
    rows: Mapping[str, Rows],
    parents: Mapping[str, Rows],
) -> Mapping[str, list[Document]]:
    """Return the documents of rows, by collection, parents first; ``parents`` are documents that are there already.

    What a row does not say follows from its equations and from the documents it refers to; ids are new, the soft-delete
    flag is false, and required time stamps are this second, UTC. Optional fields are as the rows say. Nothing is made
    up: ConfigurationError for a required field that is none of these and in no row.
    """
    now = dt.datetime.now(dt.UTC)
    given: dict[str, Rows] = dict.fromkeys(model.collections, ()) | dict(parents)
    for name, found in rows.items():
        given[name] = [{**_usual(model[name], now), **row} for row in found]
        for row in given[name]:
            missing = next(
                (f.name for f in model[name].fields if f.name not in row and not _follows(model[name], f)), None
            )
            if missing is not None:
                raise ConfigurationError(f"{name}: {missing} is missing; nothing was written")
    made: dict[str, list[Document]] = {name: [] for name in model.collections if name in rows}
    plan = Plan(model, configuration, settings.model_copy(update={"seed": secrets.randbits(63)}), given=given)
    for name, batch in plan.documents(made):
        made[name] += batch
    return made


def _usual(collection: Collection, now: dt.datetime) -> Document:
    """Return what every new document of a collection has."""
    times = {
        field.name: timestamp_of(now, field.schema)
        for field in collection.fields
        if field.required and field.kind == "timestamp"
    }
    return times | ({collection.soft_delete: False} if collection.soft_delete else {})


def _follows(collection: Collection, field: Field) -> bool:
    """Return True for a field that may be left out, or whose value follows from the others."""
    derived = {"equation", "template"} & field.sample.keys() or field.path == "_id"
    return not field.required or bool(derived) or any(copy.field == field.path for copy in collection.copies)


def check(model: Model, rules: Iterable[Rule], place: MongoCollection[Document], addition: Addition) -> Iterator[str]:
    """Validate documents before they are written, with their schemas and every rule about single documents.

    ``place`` is any non-empty collection: the server validates, and needs one that the user may read.
    Raises ConfigurationError, one line with the fix, for the first that is broken; yields a line for each warning.
    """
    for name, documents in addition.items():
        for document in documents:
            for breach in breaches(model[name], document):
                raise ConfigurationError(f"{name}: {breach.path} {breach.message}; nothing was written")
    for rule in rules:
        test = rule.check
        if not isinstance(test, DocumentTest) or not addition.get(test.collection):
            continue
        documents = addition[test.collection]
        for document in matching(place, documents, test.violating or test.screen, len(documents)):
            why = test.why(document)
            if test.violating is None and why is None:
                continue
            line = f"{test.collection}: {rule.title}: {why or shorten(document['_id'])}"
            if rule.severity == "error":
                raise ConfigurationError(f"{line}; nothing was written. {rule.fix}")
            yield line


def insert(database: Database[Document], addition: Addition) -> None:
    """Write the documents in one transaction. ConfigurationError when one is there already, TargetError otherwise."""

    def write(session: ClientSession) -> None:
        for name, documents in addition.items():
            database[name].insert_many(list(documents), session=session)

    try:
        with database.client.start_session() as session:
            session.with_transaction(write)
    except BulkWriteError as error:
        first = ((error.details or {}).get("writeErrors") or [{}])[0]
        if first.get("code") == _DUPLICATE:
            values = ", ".join(f"{path} {shorten(value)}" for path, value in first.get("keyValue", {}).items())
            raise ConfigurationError(f"there is a document with {values} already; nothing was written") from None
        raise TargetError(
            f"the server rejected a document: {in_words(error)}; nothing was written: run zava provision"
        ) from None
