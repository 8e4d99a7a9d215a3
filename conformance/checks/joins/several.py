"""References of which a document may have several: in an array, in objects of an array, in a map with free keys.

The pass over children and parents takes each document once for each different key. Rules count documents, so what
they say of many keys is counted again by document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import bson

from conformance.checks.base import Context
from conformance.checks.joins.keys import Row, among, identity, in_parts, key_at, plain, those, unreadable
from conformance.model.collection import Reference
from conformance.model.paths import all_values, dotted, steps, values_at
from conformance.text.rendering import shorten

#: The field that holds one of the keys of a document, while the pass looks at it.
_KEY = "_refers"


def key_of(reference: Reference) -> str:
    """Return the expression for the key of a child, after `spread`."""
    return f"${_KEY}" if reference.many else f"${reference.field}"


def spread(reference: Reference, only: list[Any] | None) -> list[Row]:
    """Return the stages after which there is a row for each different key of a document; none for a single key.

    ``only`` are the keys to look at.
    """
    if not reference.many:
        return []
    different = {"$setUnion": [all_values(reference.field), []]}
    chosen = [] if only is None else [{"$match": {_KEY: {"$in": only}}}]
    return [{"$addFields": {_KEY: different}}, {"$unwind": f"${_KEY}"}, *chosen]


def referring(reference: Reference, keys: list[Any]) -> Row:
    """Return a query for the documents that refer with one of the keys, by index where the keys are plain."""
    if not reference.many:
        return among(reference.field, keys)
    path = dotted(reference.field)
    held = {"$setIntersection": [all_values(reference.field), {"$literal": keys}]}
    query: Row = {"$expr": {"$gt": [{"$size": held}, 0]}}  # not what is elsewhere than the path says
    return {path: {"$in": keys}, **query} if path is not None and plain(keys) else query


def number_referring(context: Context, reference: Reference) -> int:
    """Return how many examined documents have such a reference."""
    here = context.range(reference.collection).of("_id")
    has_any = {"$expr": {"$gt": [{"$size": all_values(reference.field)}, 0]}}
    return context.collection(reference.collection).count_documents({"$and": [here, has_any]})


def number_of_children(context: Context, reference: Reference, rows: Sequence[Row], number: str, also: Row) -> int:
    """Return how many children these groups have together; ``number`` is where a group says its own.

    A document with several of the keys counts once; with a key that is not UTF-8, once for each key.
    """
    keys = [row["_id"] for row in rows if not unreadable([row["_id"]])]
    apart = int(sum(row[number] for row in rows if unreadable([row["_id"]])))
    if not reference.many:
        return int(sum(row[number] for row in rows))
    here, found = context.range(reference.collection).of("_id"), set[bytes]()
    for part in in_parts(keys):
        query = {"$and": [here, referring(reference, part), also]}
        if len(keys) == len(part):
            return apart + context.collection(reference.collection).count_documents(query)
        found.update(bson.encode(one) for one in context.collection(reference.collection).find(query, {"_id": 1}))
    return apart + len(found)


def children_of(
    context: Context, reference: Reference, keys: list[Any], also: Row, why: str
) -> Iterator[tuple[str, Any]]:
    """Yield what is wrong with the first children that refer with one of the keys, and their _id."""
    wanted = {identity(key) for key in keys}
    shown = steps(reference.field)[0]
    found = (
        those(context, reference.collection, reference.field, keys, also)
        if not reference.many
        else context.collection(reference.collection).find(_all_of(reference, keys, also), {shown: 1}).sort("_id", 1)
    )
    for one in found:
        places = [(place, key) for place, key in values_at(one, reference.field) if identity(key) in wanted]
        if not places and not reference.many:  # behind an array where an object should be
            places = [(reference.field, key_at(one, reference.field))]
        if places:
            listed = ", ".join(f"{place} is {shorten(key)}" for place, key in places[:3])
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            yield f"{listed}{more}; {why}", one["_id"]


def _all_of(reference: Reference, keys: list[Any], also: Row) -> Row:
    return {"$and": [{} if unreadable(keys) else referring(reference, keys), also]}
