"""MongoDB expressions that formulas are compiled to: types, money in cents, time stamps, functions of text and days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

from conformance.model.kinds import Kind, timestamp_pattern

Expression = Any

NUMERIC: Final[frozenset[Kind]] = frozenset({"money", "number", "integer"})
#: BSON's name of the type of a kind that is neither a number nor a string.
_BSON: Final[Mapping[Kind, str]] = {
    "boolean": "bool",
    "objectid": "objectId",
    "map": "object",
    "dictionary": "object",
    "vector": "array",
    "list": "array",
}


def typed(path: str, kind: Kind) -> Expression:
    """Return whether the value has the BSON type of the kind."""
    if kind in NUMERIC:
        return {"$isNumber": path}
    if kind in ("scalar", "bson"):  # one of several types, which the documents family tells apart
        return {"$gt": [path, None]}
    return {"$eq": [{"$type": path}, _BSON.get(kind, "string")]}


def absent(path: str) -> Expression:
    """Return whether the field is missing or null."""
    return {"$eq": [{"$ifNull": [path, None]}, None]}


def read(path: str, kind: Kind) -> Expression:
    """Return the value as formulas have it: money in whole cents."""
    return cents(path) if kind == "money" else path


def cents(path: str) -> Expression:
    """Money in whole cents; floor(x + 0.5) rather than $round, which the faster of the server's engines lacks."""
    return {"$floor": {"$add": [{"$multiply": [path, 100]}, 0.5]}}


def is_time_stamp(path: str, schema: Mapping[str, Any]) -> Expression:
    """Return whether a string is a valid time in the form of the field's schema; invalid UTF-8 is not."""
    date = {"$dateFromString": {"dateString": path, "onError": None, "onNull": None}}
    form = {"$regexMatch": {"input": path, "regex": timestamp_pattern(schema)}}
    return {"$cond": [{"$ne": [date, None]}, form, False]}


def _slice(text: Expression, start: Expression, stop: Expression) -> Expression:
    first, last = start["$literal"], stop["$literal"]
    if not (type(first) is type(last) is int and 0 <= first <= last):
        raise TypeError("positions are whole numbers, the first not above the last")
    # For ASCII both are equal, and text that is not UTF-8 is an error to $substrCP only.
    plain = {"$eq": [{"$strLenCP": text}, {"$strLenBytes": text}]}
    part = [text, first, last - first]
    return {"$cond": [plain, {"$substrBytes": part}, {"$substrCP": part}]}


def _days_before(day: Expression, number: Expression) -> Expression:
    try:
        last = dt.date.fromisoformat(day["$literal"])
    except ValueError:
        raise TypeError("its argument must be a date") from None
    since_the_first = (last - dt.date.min).days
    return {"$literal": (last - dt.timedelta(days=min(number["$literal"], since_the_first))).isoformat()}


FUNCTIONS: Final[Mapping[str, Callable[..., Expression]]] = {
    "slice": _slice,
    "without": lambda text, part: {"$replaceAll": {"input": text, "find": part, "replacement": ""}},
    "days_before": _days_before,
    "lower": lambda text: {"$toLower": text},
    "join": lambda *parts: {"$concat": list(parts)},
}
