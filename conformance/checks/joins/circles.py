"""References to the own collection, such as the parent in a tree: none may lead back to where it began."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance.checks.base import Context, skipped
from conformance.checks.joins.keys import Row, in_parts, those
from conformance.model.collection import Collection, Reference
from conformance.model.kinds import bson_types
from conformance.results import Outcome, Sample
from conformance.text.paths import value_at
from conformance.text.rendering import shorten


def circles(collection: Collection, reference: Reference) -> Callable[[Context], Outcome]:
    """Find documents whose reference, followed from document to document, leads back to them.

    A document may refer to itself where none can refer to nothing: it is the root.
    """
    field = collection.field(reference.field)
    pipeline = circle_keys(reference, root_is_own_parent=field.required and "null" not in bson_types(field.schema))

    def check(context: Context) -> Outcome:
        name = collection.name
        examined = context.collection(name).count_documents({reference.field: {"$ne": None}})
        if not examined:
            lacking = f"no document of {name} has {reference.field}"
            return skipped(lacking if context.counts[name] else f"{name} is empty")
        keys = [row["_id"] for row in context.collection(name).aggregate(pipeline, allowDiskUse=True)]
        found = list(_documents(context, reference, keys))
        samples = context.samples(
            Sample(f"{reference.field} is {shorten(value_at(one, reference.field))}, which leads back to this document",
                   one["_id"])
            for one in found
        )  # fmt: skip
        return Outcome(examined, len(found), samples)

    return check


def circle_keys(reference: Reference, *, root_is_own_parent: bool) -> list[Row]:
    """Return the stages that yield each key on a circle: only what is referred to can be on one."""
    chain: Any = "$chain"
    if root_is_own_parent:
        other = {"$ne": [f"$$this.{reference.field}", f"$$this.{reference.target_field}"]}
        chain = {"$filter": {"input": chain, "cond": other}}
    ahead = {"$map": {"input": chain, "in": f"$$this.{reference.field}"}}
    return [
        {"$match": {reference.field: {"$ne": None}}},
        {"$group": {"_id": f"${reference.field}"}},
        {
            "$graphLookup": {
                "from": reference.target,
                "startWith": "$_id",
                "connectFromField": reference.field,
                "connectToField": reference.target_field,
                "as": "chain",
            }
        },
        {"$match": {"$expr": {"$in": ["$_id", ahead]}}},
        {"$project": {"_id": 1}},
        {"$sort": {"_id": 1}},
    ]


def _documents(context: Context, reference: Reference, keys: list[Any]) -> Iterator[Row]:
    """Yield the documents on circles: their key and that of the document they refer to are both on one."""
    query = {"$expr": {"$in": [f"${reference.field}", {"$literal": keys}]}}
    for part in in_parts(keys):
        yield from those(context, reference.collection, reference.target_field, part, query, reference.field, limit=0)
