"""Values as mongosh reads them, for queries that a reader may paste."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from bson import Binary, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp

_SAFE_INTEGER: Final = 2**53 - 1


def find_query(collection: str, ids: Iterable[Any]) -> str:
    """Return a query that shows the documents with these ids."""
    return f"db.getCollection({literal(collection)}).find({{_id: {{$in: {literal(list(ids))}}}}})"


def method_call(collection: str | None, method: str, argument: Any = None) -> str:
    """Return a mongosh call on the collection, or on the database if None; a pipeline has a line per stage."""
    of_database = method == "runCommand" or collection is None
    start = "db" if of_database else f"db.getCollection({literal(collection)})"
    if isinstance(argument, list) and argument:
        stages = ",\n".join(f"  {literal(stage)}" for stage in argument)
        return f"{start}.{method}([\n{stages}\n])"
    return f"{start}.{method}({'' if argument is None else literal(argument)})"


def literal(value: Any) -> str:
    """Return the value in mongosh's JavaScript, in ASCII; ids of other types than BSON's become their text."""
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    return json.dumps(str(value))


def _integer(value: int) -> str:
    return str(value) if abs(value) <= _SAFE_INTEGER else f'Long("{value}")'


def _date(value: dt.datetime) -> str:
    utc = value.astimezone(dt.UTC) if value.tzinfo else value
    return f'ISODate("{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z")'


def _binary(value: bytes) -> str:
    return f'HexData({getattr(value, "subtype", 0)}, "{value.hex()}")'


def _mapping(value: Mapping[Any, Any]) -> str:
    return "{" + ", ".join(f"{json.dumps(str(key))}: {literal(inner)}" for key, inner in value.items()) + "}"


_WRITERS: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (type(None), lambda _: "null"),
    (bool, lambda value: "true" if value else "false"),
    (str, json.dumps),
    (Int64, lambda value: f'Long("{value}")'),
    (int, _integer),
    (float, json.dumps),
    (ObjectId, lambda value: f'ObjectId("{value}")'),
    (Decimal128, lambda value: f'NumberDecimal("{value}")'),
    (MinKey, lambda _: "MinKey()"),
    (MaxKey, lambda _: "MaxKey()"),
    (Timestamp, lambda value: f"Timestamp({{t: {value.time}, i: {value.inc}}})"),
    (DatetimeMS, lambda value: f"new Date({int(value)})"),
    (DBRef, lambda value: _mapping(value.as_doc())),
    (uuid.UUID, lambda value: f'UUID("{value}")'),
    (dt.datetime, _date),
    ((Binary, bytes), _binary),
    (Mapping, _mapping),
    ((list, tuple), lambda value: "[" + ", ".join(map(literal, value)) + "]"),
)
