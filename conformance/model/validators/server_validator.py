"""The server oracle: a collection's schema translated into a MongoDB validator.

`$jsonSchema` is draft 4 with a refusal for the rest, so each field kind says its BSON types and bounds itself, and
money, which draft 4 cannot say, becomes an `$expr` beside it. The server decides about the translation
(tests/conformance/model/validators/test_oracles.py holds it, `jsonschema` and the strategies together).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from conformance.model.collection import Collection, Field
from conformance.model.kinds import (
    MAX_INTEGER,
    MAX_MONEY,
    MAX_NUMBER,
    UUID4_PATTERN,
    portable_pattern,
    takes_null,
    timestamp_pattern,
    type_of,
)
from conformance.model.paths import all_values, is_single
from conformance.text.rendering import shorten

Query = dict[str, Any]

_NUMBER: Final = ["double", "int", "long"]
INTEGER_TYPES: Final = ["int", "long"]
#: Met by every text that is UTF-8, and by no other: BSON has bytes that no driver can read.
_READABLE: Final = "^"
#: Keywords whose list is a set to the server.
_SETS: Final = frozenset({"required", "enum", "bsonType", "anyOf", "allOf", "$and", "$or"})
_COPIED: Final = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "enum")


@cache
def validator(collection: Collection) -> Query:
    """Return the strict validator: every document of the collection meets its schema, and only those."""
    return _with_money(
        _object(collection.schema), [field for field in collection.everywhere() if field.kind == "money"]
    )


def field_query(collection: Collection, name: str) -> Query:
    """Return a query for the documents whose top-level field ``name`` (its own keys included) meets its schema."""
    field = collection.field(name)
    schema: Query = {"properties": {name: _value(field.schema)}}
    if field.required:
        schema["required"] = [name]
    return _with_money(schema, [inner for inner in field.everywhere() if inner.kind == "money"])


def closed_query(collection: Collection) -> Query:
    """Return a query for the documents that have no field beyond those of the schema."""
    return {
        "$jsonSchema": {"properties": {field.name: {} for field in collection.fields}, "additionalProperties": False}
    }


def difference(wanted: Query, found: Mapping[str, Any]) -> str | None:
    """Return the first place where two validators differ, and how; None when they say the same.

    The order of keys says nothing, nor does that of the lists which the server reads as sets.
    """
    return _difference(_normal(wanted), _normal(found), "")


def _normal(value: Any, keyword: str = "") -> Any:
    """Return the value with its keys, and the lists that are sets, in one order."""
    if isinstance(value, Mapping):
        return {key: _normal(value[key], key) for key in sorted(value)}
    if isinstance(value, list):
        parts = [_normal(part) for part in value]
        return sorted(parts, key=repr) if keyword in _SETS else parts
    return value


def _difference(wanted: Any, found: Any, path: str) -> str | None:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in sorted(wanted.keys() | found.keys()):
            place = f"{path}.{key}".lstrip(".")
            if key not in found:
                return f"{place}: missing"
            if key not in wanted:
                return f"{place}: {shorten(found[key])} is not in the schema"
            deeper = _difference(wanted[key], found[key], place)
            if deeper:
                return deeper
        return None
    if path.rpartition(".")[2] in _SETS and isinstance(wanted, list) and isinstance(found, list):
        differences = [f"{shorten(one)} is not in the schema" for one in found if one not in wanted]
        differences += [f"{shorten(one)} is missing" for one in wanted if one not in found]
        return f"{path}: {differences[0]}" if differences else None
    return None if wanted == found else f"{path}: {shorten(found)} instead of {shorten(wanted)}"


def _with_money(schema: Query, money: list[Field]) -> Query:
    query: Query = {"$jsonSchema": schema}
    if money:
        tests = [_whole_cents(field.path) for field in money]
        query["$expr"] = tests[0] if len(tests) == 1 else {"$and": tests}
    return query


def _whole_cents(path: str) -> Query:
    """|100x - round(100x)| < 1e-6 where x is a number; anything else is for the type to refuse."""
    if not is_single(path):
        return {"$allElementsTrue": {"$map": {"input": all_values(path), "in": _is_whole("$$this")}}}
    return _is_whole(f"${path}")


def _is_whole(value: str) -> Query:
    cents = {"$multiply": [value, 100]}
    off = {"$abs": {"$subtract": [cents, {"$round": [cents, 0]}]}}
    return {"$cond": [{"$isNumber": value}, {"$lt": [off, 1e-6]}, True]}


def _object(schema: Mapping[str, Any]) -> Query:
    translated: Query = {"bsonType": "object"}
    if not schema["additionalProperties"]:
        translated["additionalProperties"] = False
    if "properties" in schema:
        translated["properties"] = {name: _value(sub) for name, sub in schema["properties"].items()}
    if schema.get("required"):
        translated["required"] = list(schema["required"])
    if "patternProperties" in schema:
        translated["patternProperties"] = {
            portable_pattern(pattern): _value(sub) for pattern, sub in schema["patternProperties"].items()
        }
    return translated | _copied(schema)


def _value(schema: Mapping[str, Any]) -> Query:
    """One value's schema, by its JSON type."""
    if "x-bson" in schema:
        return {"bsonType": schema["x-bson"]}
    declared = type_of(schema)
    if takes_null(schema):
        # Keywords about objects and arrays say nothing about a null.
        return _value({**schema, "type": declared}) | {"bsonType": [declared, "null"]}
    if declared == "object":
        return _object(schema)
    if declared == "array":
        return {"bsonType": "array", "items": _value(schema["items"])} | _copied(schema)
    if isinstance(declared, list):
        return {"anyOf": [_value({**schema, "type": one}) for one in declared]}
    return _SCALARS[str(declared)](schema)


def _string(schema: Mapping[str, Any]) -> Query:
    translated: Query = {"bsonType": "string"} | _copied(schema)
    patterns = [portable_pattern(schema["pattern"])] if "pattern" in schema else []
    patterns += [timestamp_pattern(schema)] if "x-timestamp" in schema else []
    patterns += [UUID4_PATTERN] if "x-uuid" in schema else []
    patterns = patterns or ([] if "enum" in schema else [_READABLE])
    if len(patterns) == 1:
        return translated | {"pattern": patterns[0]}
    return translated | ({"allOf": [{"pattern": pattern} for pattern in patterns]} if patterns else {})


def _integer(schema: Mapping[str, Any]) -> Query:
    return {"bsonType": INTEGER_TYPES} | _copied(schema) | _bounds(schema, MAX_INTEGER)


def _number(schema: Mapping[str, Any]) -> Query:
    largest = MAX_MONEY if "x-money" in schema else MAX_NUMBER
    bounds = _bounds(schema, largest)
    exact = bounds["minimum"] >= -MAX_INTEGER and bounds["maximum"] <= MAX_INTEGER
    return {"bsonType": _NUMBER} | _copied(schema) | bounds | ({} if exact else _EXACT_LONGS)


def _boolean(_: Mapping[str, Any]) -> Query:
    return {"bsonType": "bool"}


#: A long that every device represents exactly, where the bounds of the field are wider.
_EXACT_LONGS: Final[Query] = {
    "anyOf": [{"bsonType": ["double", "int"]}, {"minimum": -MAX_INTEGER, "maximum": MAX_INTEGER}]
}
_SCALARS: Final = {"string": _string, "integer": _integer, "number": _number, "boolean": _boolean}


def _bounds(schema: Mapping[str, Any], largest: float) -> Query:
    """Draft 4 bounds, never absent: an explicit one also refuses NaN and the infinities."""
    bounds: Query = {}
    for side, fallback in (("minimum", -largest), ("maximum", largest)):
        exclusive = "exclusive" + side.capitalize()
        bounds[side] = schema.get(side, fallback)
        if exclusive in schema:
            tighter = max if side == "minimum" else min
            strict = tighter(schema[exclusive], bounds[side]) == schema[exclusive]
            bounds[side] = tighter(schema[exclusive], bounds[side])
            if strict:
                bounds[exclusive] = True
    return bounds


def _copied(schema: Mapping[str, Any]) -> Query:
    return {keyword: schema[keyword] for keyword in _COPIED if keyword in schema}
