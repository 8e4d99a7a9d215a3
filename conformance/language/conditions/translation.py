"""A condition in other words: as a filter of MongoDB, and as DQL with arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bson.regex import Regex

from conformance.language.conditions.condition import (
    Always,
    Attribute,
    Comparison,
    Computed,
    Condition,
    Every,
    Parameter,
    Scalar,
    Some,
    Value,
    bson_type,
    like,
)

#: A filter that selects no document.
NOTHING: Final[Mapping[str, Any]] = {"_id": {"$in": []}}
_ORDERED: Final[Mapping[str, str]] = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_TESTS: Final[Mapping[str, dict[str, Any]]] = {
    "IS NULL": {"$type": "null"},
    "IS NOT NULL": {"$not": {"$type": "null"}},
    "IS MISSING": {"$exists": False},
    "IS NOT MISSING": {"$exists": True},
}


def to_mongo(condition: Condition) -> dict[str, Any]:
    """Return the condition as a MongoDB filter; an unbound parameter is written as $$name.

    A condition with a computed test has no such form (see `is_computed`).
    """
    if isinstance(condition, Every):
        parts = [to_mongo(part) for part in condition.parts]
        keys = [key for part in parts for key in part]
        apart = len(set(keys)) == len(keys) and not any(key.startswith("$") for key in keys)
        return {key: value for part in parts for key, value in part.items()} if apart else {"$and": parts}
    if isinstance(condition, Some) and condition.parts:
        parts = [to_mongo(part) for part in condition.parts]
        return {"$or": parts} if len(parts) > 1 else parts[0]
    if isinstance(condition, Computed):
        raise _computed()
    if isinstance(condition, Comparison):
        if condition.operator not in ("=", "!=", "IN"):
            return {condition.path: _test(condition)}
        words = [_word(value) for value in condition.values]
        if condition.operator == "!=":
            return {condition.path: {"$ne": words[0], "$type": bson_type(condition.values[0])}}
        given = words if isinstance(condition.value, tuple) else words[0]
        return {condition.path: {"$in": given} if condition.operator == "IN" else given}
    return {} if isinstance(condition, Always) and condition.holds else dict(NOTHING)


def without(selected: Mapping[str, Any], excluded: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the filter of documents that the one selects and the other does not; NOTHING where that is certain."""
    return NOTHING if excluded in ({}, selected) else {"$and": [selected, {"$nor": [excluded]}]}


def _test(comparison: Comparison) -> dict[str, Any]:
    """Return a test other than for equality: as in DQL, values of another type do not meet it."""
    operator = comparison.operator
    if operator in _TESTS:
        return _TESTS[operator]
    value = comparison.values[0]
    if operator in _ORDERED:
        return {_ORDERED[operator]: _word(value)}
    if not isinstance(value, str):
        return {operator.replace(" ", "_"): _word(value)}  # bound later: LIKE needs the pattern itself
    regex = Regex(f"^{like(value).pattern}\\z", "is" if "ILIKE" in operator else "s")
    return {"$not": regex, "$type": "string"} if operator.startswith("NOT") else {"$regex": regex}


def _word(value: Value) -> Scalar:
    if isinstance(value, Parameter | Attribute):
        return f"$${value.name}" if isinstance(value, Parameter) else f"$$user.{value.name}"
    return value


def to_dql(condition: Condition) -> tuple[str, dict[str, Any]]:
    """Return the condition, bound, as DQL with its arguments: values never stand in the text.

    A list is asked by array_contains: IN drops a document whose field is of another type than the list, whatever the
    rest of the condition says.
    """
    arguments: dict[str, Any] = {}

    def translated(part: Condition) -> str:
        if isinstance(part, Computed):
            raise _computed()
        if isinstance(part, Comparison) and part.value == ():
            return f"{quoted(part.path)} {part.operator}"
        if isinstance(part, Comparison):
            name = f"value_{len(arguments)}"
            arguments[name] = list(part.values) if part.operator == "IN" else part.value
            path = quoted(part.path)
            return f"array_contains(:{name}, {path})" if part.operator == "IN" else f"{path} {part.operator} :{name}"
        if isinstance(part, Always) or not part.parts:
            return "true" if isinstance(part, Every) or (isinstance(part, Always) and part.holds) else "false"
        joined = " AND " if isinstance(part, Every) else " OR "
        return "(" + joined.join(translated(inner) for inner in part.parts) + ")"

    return translated(condition), arguments


def _computed() -> TypeError:
    return TypeError("only Ditto's engine evaluates a computed test; ask is_computed first")


def quoted(path: str) -> str:
    """Return a dotted path as it stands in DQL, where any name may be a keyword."""
    return ".".join(f"`{name}`" for name in path.split("."))
