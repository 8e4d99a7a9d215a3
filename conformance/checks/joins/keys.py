"""Keys: documents asked for by the values that they refer with, or are referred to by, whatever those are.

The server compares numbers by their value, finds a list by what is in it, and cannot be asked for bytes that are no
text; a reference means the value itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128, MaxKey, MinKey, ObjectId

from conformance.checks.base import Context

Row = dict[str, Any]

#: A field of the pipelines' own, which no application has.
_KEY: Final = "__zava_key"
#: Keys of one `$in`: large enough that few are sent, small enough for one command.
_KEYS: Final = 1000
#: MongoDB 6.0 has two query engines. What the faster one hands to the other as a key of these types arrives as an
#: object around it, and equals no other key.
_WRAPPED: Final = ({"": MinKey()}, {"": MaxKey()})
#: Keeps every document, and a `$group` that follows it out of the faster engine.
IN_ONE_ENGINE: Final[Row] = {"$redact": "$$KEEP"}
#: The replacement for bytes that are not valid text; a query for it would not find the key.
_UNREADABLE: Final = "\ufffd"


def matching(query: Row) -> list[Row]:
    """Return the query as stages of a pipeline: none where it is for everything."""
    return [{"$match": query}] if query else []


def among(field: str, keys: list[Any]) -> Row:
    """Return a query for the documents whose field is one of the keys, by index where the keys are plain.

    Where one of them holds bytes that are no text it finds all documents of that kind.
    """
    one_of = {"$in": keys, "$not": {"$type": "array"}}  # which would be found by what is in it
    value = {"$ifNull": [f"${field}", None]}
    query: Row = {field: one_of} if plain(keys) else {"$expr": {"$in": [value, {"$literal": keys}]}}
    return {"$or": [query, {field: {"$type": "string", "$not": {"$regex": "^"}}}]} if unreadable(keys) else query


def askable(keys: list[Any]) -> bool:
    """Return whether one query for the keys, as Python read them, finds exactly their documents."""
    return len(keys) <= _KEYS and plain(keys) and not unreadable(keys)


def plain(keys: list[Any]) -> bool:
    """Return whether a query for each of the keys finds that key and nothing else."""
    return all(isinstance(key, str | int | ObjectId) for key in keys)


def unreadable(keys: list[Any]) -> bool:
    """Return whether a key is not UTF-8, so that Python cannot ask for it."""
    return any(isinstance(key, str) and _UNREADABLE in key for key in keys)


def wrapped(key: str) -> Row:
    """Return the expression that tells whether a key looks wrapped by the server."""
    return {"$in": [key, {"$literal": list(_WRAPPED)}]}


def is_wrapped(key: Any) -> bool:
    """Return whether a key, or a part of it, looks wrapped by the server; the pipeline then runs `IN_ONE_ENGINE`."""
    return isinstance(key, dict) and (key in _WRAPPED or any(map(is_wrapped, key.values())))


def identity(key: Any) -> Any:
    """Return what is equal for keys that are one to the server, which compares numbers by their value."""
    value = key.to_decimal() if isinstance(key, Decimal128) else key
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if is_number and (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        return value
    return repr(key)


def in_parts(keys: list[Any]) -> Iterator[list[Any]]:
    """Return the keys, as many at a time as one query takes."""
    return (keys[start : start + _KEYS] for start in range(0, len(keys), _KEYS))


def ordered(field: str) -> list[Row]:
    """Return the stages that sort documents by a key, then by _id; a list is one value, as it is to a partition.

    A plain `$sort` takes a list by its least element.
    """
    return [{"$addFields": {_KEY: {"key": f"${field}"}}}, {"$sort": {_KEY: 1, "_id": 1}}, {"$unset": _KEY}]


def those(
    context: Context, name: str, field: str, keys: list[Any], also: Row, *shown: str, limit: int | None = None
) -> Iterator[Row]:
    """Return the first documents whose field is one of the keys, in its order, with the fields that are to be shown."""
    query = {"$and": [among(field, keys), also]}
    limit = context.sample_size if limit is None else limit
    limit = 0 if unreadable(keys) else limit
    wanted = {identity(key) for key in keys}
    found = sorted_by_key(context, name, field, keys, query, [field, *shown], limit)
    return (one for one in found if identity(key_at(one, field)) in wanted)


def key_at(document: Row, path: str) -> Any:
    """Return the key at a path as the server's expressions do: through a list, the list of what is there in each."""
    return _at(document, path.split("."))


def _at(value: Any, names: list[str]) -> Any:
    if not names:
        return value
    if isinstance(value, list):
        inside = (_at(one, names) for one in value if isinstance(one, Mapping))
        return [one for one in inside if one is not None]
    return _at(value.get(names[0]), names[1:]) if isinstance(value, Mapping) else None


def nowhere(key: str, targets: Iterable[tuple[str, str]]) -> list[Row]:
    """Return the stages that give each key that no target has, and the number ``_n`` of rows that have it.

    ``targets`` are collections, each with the field that holds its keys.
    """
    return [
        {"$group": {"_id": key, "_n": {"$sum": 1}}},
        *(
            {
                "$unionWith": {
                    "coll": name,
                    "pipeline": [{"$project": {"_id": f"${field}", "_parents": {"$literal": 1}}}],
                }
            }
            for name, field in targets
        ),
        {"$group": {"_id": "$_id", "_n": {"$sum": "$_n"}, "_parents": {"$sum": "$_parents"}}},
        {"$match": {"_n": {"$gt": 0}, "_parents": 0}},
    ]


def sorted_by_key(
    context: Context, name: str, field: str, keys: list[Any], query: Row, shown: list[str], limit: int = 0
) -> Iterator[Row]:
    """Return the documents of a query for these keys in the order of their key, by index where no key is a list."""
    if not any(isinstance(key, list) for key in keys):
        found = context.collection(name).find(query, shown).sort([(field, 1), ("_id", 1)])
        return iter(found.limit(limit))
    stages = [{"$match": query}, *ordered(field), *([{"$limit": limit}] if limit else [])]
    return iter(context.collection(name).aggregate([*stages, {"$project": dict.fromkeys(shown, 1)}], allowDiskUse=True))
