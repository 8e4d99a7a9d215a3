"""References to the own collection, such as the parent in a tree: none may lead back to where it began.

All are followed at once, by hashes: 16 bytes for each document that refers, and time linear in their number, however
deep the tree is. `$graphLookup` follows each by itself: 38 s for 100,000 documents ten levels deep, against 1.5 s here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo.collection import Collection as MongoCollection

from conformance.checks.base import Context, Document, skipped
from conformance.checks.joins.keys import Row, identity, in_parts, those
from conformance.model.collection import Collection, Reference
from conformance.model.kinds import bson_types
from conformance.results import Outcome, Sample
from conformance.text.paths import value_at
from conformance.text.rendering import shorten

Hashes = NDArray[np.int64]


def circles(collection: Collection, reference: Reference) -> Callable[[Context], Outcome]:
    """Find documents whose reference, followed from document to document, leads back to them.

    A document may refer to itself where none can refer to nothing: it is the root.
    """
    field = collection.field(reference.field)
    above = collection.nullable_above(field.path)
    root_is_own_parent = field.required and not above and "null" not in bson_types(field.schema)

    def check(context: Context) -> Outcome:
        name = collection.name
        examined = context.collection(name).count_documents({reference.field: {"$ne": None}})
        if not examined:
            lacking = f"no document of {name} has {reference.field}"
            return skipped(lacking if context.counts[name] else f"{name} is empty")
        keys = keys_on_circles(context.collection(name), reference, root_is_own_parent=root_is_own_parent)
        found = list(_documents(context, reference, keys))
        samples = context.samples(
            Sample(f"{reference.field} is {shorten(value_at(one, reference.field))}, which leads back to this document",
                   one["_id"])
            for one in found
        )  # fmt: skip
        return Outcome(examined, len(found), samples)

    return check


def keys_on_circles(
    documents: MongoCollection[Document], reference: Reference, *, root_is_own_parent: bool
) -> list[Any]:
    """Return the keys of the documents on circles, in the order of _id."""
    keys, parents = array("q"), array("q")
    for key, parent in _pairs(documents, reference):
        keys.append(hash(identity(key)))
        parents.append(hash(identity(parent)))
    on_circle = _on_circle(np.array(keys, np.int64), np.array(parents, np.int64), root_is_own_parent)
    if not on_circle:
        return []
    return [key for key, _ in _pairs(documents, reference) if hash(identity(key)) in on_circle]


def _pairs(documents: MongoCollection[Document], reference: Reference) -> Iterator[tuple[Any, Any]]:
    own, other = reference.target_field, reference.field
    for one in documents.find({other: {"$ne": None}}, [own, other]).sort("_id", 1):
        yield value_at(one, own), value_at(one, other)


def _on_circle(keys: Hashes, parents: Hashes, root_is_own_parent: bool) -> set[int]:
    """Return the keys that come back to themselves: from each, as many steps are taken as there are documents."""
    order = np.argsort(keys, kind="stable")
    keys, parents = keys[order], parents[order]
    end = len(keys)
    above = np.minimum(np.searchsorted(keys, parents), end - 1)
    there = keys[above] == parents if end else np.zeros(0, dtype=bool)
    if root_is_own_parent:
        there &= keys != parents
    step = np.append(np.where(there, above, end), end)  # what refers to nothing leads to the end, and so does the end
    for _ in range(end.bit_length()):
        step = step[step]  # twice as far
    reached = np.unique(step[step != end])
    return set(keys[reached].tolist())


def _documents(context: Context, reference: Reference, keys: list[Any]) -> Iterator[Row]:
    """Yield the documents on circles: their key and that of the document they refer to are both on one."""
    query = {"$expr": {"$in": [f"${reference.field}", {"$literal": keys}]}}
    for part in in_parts(keys):
        yield from those(context, reference.collection, reference.target_field, part, query, reference.field, limit=0)
