"""MongoDB's _id by the schema: objects with their parts in order, and what an _id is made of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from conformance.model.collection import Collection

_ID: Final = "_id"


@cache
def id_parts(collection: Collection) -> tuple[str, ...]:
    """Return the names of the parts of an object _id, in the schema's order; none where _id is a single value."""
    return tuple(part.name for part in collection.field(_ID).children)


def has_parts(identity: Any, parts: tuple[str, ...]) -> bool:
    """Return whether an _id is an object of just these parts, in whatever order."""
    return bool(parts) and isinstance(identity, Mapping) and set(identity) == set(parts)


def in_order(identity: Mapping[str, Any], parts: tuple[str, ...]) -> dict[str, Any]:
    """Return the object with its names in this order: to MongoDB, unlike to Ditto, another order is another _id."""
    return {name: identity[name] for name in parts}


def made_of_fields(document: Mapping[str, Any], collection: Collection) -> dict[str, Any]:
    """Return the _id that the model says the fields of a document make; nothing where MongoDB is to give one."""
    name = collection.id_field
    if name is not None and name in document:
        return {_ID: document[name]}
    parts = id_parts(collection)
    if parts and set(parts) == set(collection.id_parts) <= document.keys():
        return {_ID: in_order(document, parts)}
    return {}


@cache
def object_id_paths(collection: Collection) -> frozenset[str]:
    """Return the paths of the fields that are ObjectIds."""
    return frozenset(field.path for field in collection.walk() if field.kind == "objectid")


def alike(left: Any, right: Any) -> bool:
    """Return whether two _ids are equal: true is not 1, and the order of an object's names is nothing."""
    if type(left) is dict and type(right) is dict:
        return left.keys() == right.keys() and all(alike(left[name], right[name]) for name in left)
    return type(left) is type(right) and bool(left == right)
