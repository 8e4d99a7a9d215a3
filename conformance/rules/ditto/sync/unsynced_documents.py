"""A rule of family sync on the documents that Ditto's connector could not sync.

The connector keeps them in a collection of the same database and goes on without them. Its documentation does not say
what fields they have. The first of the usual names that holds a value of the right type is read; a document without any
of them still counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.checks.base import LISTED_IN_EVIDENCE, Context, Rule, answer, skipped
from conformance.ditto.connector import UNSYNCED_COLLECTION
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten

#: Fields, by what they say; the first that is there counts.
_COLLECTION: Final = ("collection", "collectionName", "collection_name", "coll", "ns.coll", "namespace", "ns")
_REASON: Final = ("reason", "error", "errorMessage", "error_message", "error.message", "error.errmsg", "message")
_TIME: Final = ("timestamp", "since", "createdAt", "created_at", "updatedAt", "updated_at", "time", "date", "at")
_DOCUMENT: Final = ("documentId", "document_id", "docId", "doc_id", "document._id", "doc._id", "id")
_UNKNOWN: Final = "unknown"
#: The server's codes for what the user may not read.
_NOT_TO_BE_READ: Final = frozenset({13, 8000})

_MAY_NOT: Final = f"the user may not read {UNSYNCED_COLLECTION}; grant find on it"
ABSENT: Final = f"there is no collection {UNSYNCED_COLLECTION}; Ditto's connector creates it"


@dataclass(frozen=True)
class Unsynced:
    """All unsynced documents: how many, by collection and reason (most first), and the oldest of them."""

    number: int
    groups: Sequence[Mapping[str, Any]]
    oldest: Sequence[Sample]

    @property
    def by_collection(self) -> Mapping[str, int]:
        """Return how many documents of each collection are in the groups, most first."""
        numbers: dict[str, int] = {}
        for group in self.groups:
            numbers[group["collection"]] = numbers.get(group["collection"], 0) + group["documents"]
        return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))

    @property
    def since(self) -> str | None:
        """The time of the oldest, where it is known."""
        return min((group["oldest"] for group in self.groups if group["oldest"]), default=None)


class UnreadableError(Exception):
    """The unsynced documents cannot be read, and this is why."""


def rules() -> Iterator[Rule]:
    """Yield the one rule."""
    yield Rule(
        id="sync._database.unsynced_documents",
        title="Ditto's connector has no unsynced document",
        check=answer(_check),
        why="Each of these documents is missing in MongoDB or on devices, and no app reports it.",
        fix="Read the reason. Correct the document, or run `zava provision --validators connector` if a validator"
        " refused it; then let the connector try again.",
    )


def _check(context: Context) -> Outcome:
    try:
        found = unsynced_documents(context.database, context.sample_size)
    except UnreadableError as error:
        return skipped(str(error))
    if found is None:
        return Outcome(1, evidence={"found": ABSENT})
    evidence = {"by_collection": found.by_collection, "by_reason": list(found.groups), "oldest": found.since}
    return Outcome(max(found.number, 1), found.number, tuple(found.oldest), evidence=evidence if found.number else {})


def unsynced_documents(database: Database[Any], samples: int) -> Unsynced | None:
    """Return what the connector could not sync; None where its collection does not exist.

    Raises UnreadableError where the user may not read it.
    """
    if UNSYNCED_COLLECTION not in database.list_collection_names():
        return None
    place = database[UNSYNCED_COLLECTION]
    try:
        number = place.count_documents({})
        if not number:
            return Unsynced(0, (), ())
        groups = [_group(row) for row in place.aggregate([_READ, *_GROUPED], allowDiskUse=True)]
        oldest = [_sample(row) for row in place.aggregate([_READ, *_SORTED, {"$limit": samples}], allowDiskUse=True)]
    except OperationFailure as error:
        if error.code not in _NOT_TO_BE_READ:
            raise
        raise UnreadableError(_MAY_NOT) from None
    return Unsynced(number, groups, oldest)


def _first(paths: Sequence[str], *types: str) -> Any:
    """Return an expression for the first of the fields that has one of the types; null where none has."""
    cases = [{"case": {"$in": [{"$type": f"${path}"}, list(types)]}, "then": f"${path}"} for path in paths]
    return {"$switch": {"branches": cases, "default": None}}


def _date(value: Any) -> Any:
    return {"$convert": {"input": value, "to": "date", "onError": None, "onNull": None}}


_READ: Final = {
    "$project": {
        "collection": {"$ifNull": [_first(_COLLECTION, "string"), _UNKNOWN]},
        "reason": {"$ifNull": [_first(_REASON, "string"), _UNKNOWN]},
        "document": _first(_DOCUMENT, "string", "int", "long", "objectId", "object"),
        # A date, text of one, or the time that an ObjectId holds.
        "time": {"$ifNull": [_date(_first(_TIME, "date", "string", "timestamp")), _date("$_id")]},
    }
}
_GROUPED: Final = (
    {
        "$group": {
            "_id": {"collection": "$collection", "reason": "$reason"},
            "documents": {"$sum": 1},
            "oldest": {"$min": "$time"},
        }
    },
    {"$sort": {"documents": -1, "_id": 1}},
    {"$limit": LISTED_IN_EVIDENCE},
)
_SORTED: Final = (
    {"$addFields": {"timeless": {"$eq": ["$time", None]}}},
    {"$sort": {"timeless": 1, "time": 1, "_id": 1}},
)


def _group(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row["_id"], "documents": row["documents"], "oldest": _written(row["oldest"])}


def _sample(row: Mapping[str, Any]) -> Sample:
    since = _written(row["time"])
    document = f" {shorten(row['document'])}" if row["document"] is not None else ""
    why = f"{row['collection']}{document}: {shorten(row['reason'], 300)}" + (f", since {since}" if since else "")
    return Sample(why, id=row["_id"])


def _written(time: Any) -> str | None:
    return None if time is None else str(time.strftime("%Y-%m-%dT%H:%M:%SZ"))
