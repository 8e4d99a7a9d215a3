"""Three changes to a real document, made in a scratch database and awaited on a change stream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bson
from pymongo.database import Database

from conformance.checks.base import Context, Document, listed, skipped
from conformance.model.collection import Collection
from conformance.results import Outcome, Sample

#: Seconds within which all events must have arrived.
DEADLINE: Final = 10.0
_AWAIT_MS: Final = 200
_OPERATIONS: Final = ("insert", "update", "replace", "delete")
#: Set by the update where the collection has no soft-delete flag; the scratch collection has no validator.
_MARK: Final = "round_trip"


@dataclass(frozen=True)
class Event:
    """A change as it must arrive: the document as it was before and as it is after, None where there is none."""

    operation: str
    before: Document | None
    after: Document | None


@dataclass(frozen=True)
class Trial:
    """A document to insert, then to ``update`` by ``$set``, then to delete."""

    document: Document
    update: Document

    @property
    def events(self) -> tuple[Event, ...]:
        """Return what a change stream must tell of it, in this order."""
        updated = {**self.document, **self.update}
        return (
            Event("insert", None, self.document),
            Event("update", self.document, updated),
            Event("delete", updated, None),
        )


def round_trips(
    context: Context, scratch: Database[Document], collections: Sequence[Collection], deadline: float = DEADLINE
) -> dict[str, Outcome]:
    """Insert, update and delete one document of each collection in ``scratch``; the outcome by collection's name.

    The documents are taken from the validated database; a collection without any is skipped. The scratch
    collections have images and no validator: a document that is wrong in itself must travel all the same. They are
    dropped at the end. ``deadline`` is in seconds, for all collections together.
    """
    trials = {
        collection.name: Trial(document, _harmless(document, collection.soft_delete))
        for collection in collections
        if (document := context.collection(collection.name).find_one()) is not None
    }
    try:
        arrived = exchange(scratch, trials, deadline) if trials else {}
    finally:
        for name in trials:
            scratch.drop_collection(name)
    nothing = skipped("the collection is empty")
    return {
        collection.name: _outcome(context, collection.name, trials[collection.name].events, arrived[collection.name])
        if collection.name in trials
        else nothing
        for collection in collections
    }


def _harmless(document: Document, flag: str | None) -> Document:
    """Return an update that changes the document, whatever it holds."""
    return {_MARK: True} if flag is None else {flag: not document.get(flag)}


def exchange(scratch: Database[Document], trials: Mapping[str, Trial], deadline: float) -> dict[str, list[Event]]:
    """Make the changes and return the events that arrived, by collection, in their order."""
    for name in trials:
        scratch.drop_collection(name)
        scratch.create_collection(name, changeStreamPreAndPostImages={"enabled": True})
    arrived: dict[str, list[Event]] = {name: [] for name in trials}
    missing = sum(len(trial.events) for trial in trials.values())
    only: list[Mapping[str, Any]] = [
        {"$match": {"ns.coll": {"$in": list(trials)}, "operationType": {"$in": list(_OPERATIONS)}}}
    ]
    # "required" would end the whole stream at the first image that is not there; so it is looked for instead.
    with scratch.watch(
        only,
        full_document="whenAvailable",
        full_document_before_change="whenAvailable",
        max_await_time_ms=_AWAIT_MS,
    ) as stream:
        for name, trial in trials.items():
            key = {"_id": trial.document["_id"]}
            scratch[name].insert_one(dict(trial.document))
            scratch[name].update_one(key, {"$set": trial.update})
            scratch[name].delete_one(key)
        end = time.monotonic() + deadline
        while missing and time.monotonic() < end:
            change = stream.try_next()
            if change is not None:
                missing -= 1
                before, after = change.get("fullDocumentBeforeChange"), change.get("fullDocument")
                arrived[change["ns"]["coll"]].append(Event(change["operationType"], before, after))
    return arrived


def _outcome(context: Context, name: str, wanted: Sequence[Event], arrived: Sequence[Event]) -> Outcome:
    found = [Sample(problem, ref=f"{name}.{operation}") for operation, problem in problems(wanted, arrived)]
    return listed(context, len(wanted), found, arrived=[event.operation for event in arrived])


def problems(wanted: Sequence[Event], arrived: Sequence[Event]) -> Iterator[tuple[str, str]]:
    """Yield the operation and what is wrong with it, at most once per event that was wanted."""
    for number, event in enumerate(wanted):
        if number >= len(arrived):
            yield event.operation, "the event did not arrive in time"
        elif arrived[number].operation != event.operation:
            yield event.operation, f"found the event {arrived[number].operation}; expected {event.operation}"
        else:
            wrong = [
                f"the {side} {'is missing' if found is None else 'differs from the document'}"
                for side, expected, found in (
                    ("pre-image", event.before, arrived[number].before),
                    ("post-image", event.after, arrived[number].after),
                )
                if _bytes(expected) != _bytes(found)
            ]
            if wrong:
                yield event.operation, " and ".join(wrong)


def _bytes(document: Document | None) -> bytes | None:
    """Return the document as BSON: equal for NaN and NaN, different for 1 and 1.0 and for another order of fields."""
    return None if document is None else bson.encode(document)
