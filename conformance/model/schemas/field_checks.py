"""Checks of one field's definition beyond the meta-schema: keywords of its kind, and at least one valid value.

A keyword that says nothing about the field's kind would be read by one oracle and passed over by another, and bounds
that leave no value would make a collection that nothing can fill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from conformance.model.kinds import Kind, bson_types, kind_of, takes_null, type_of
from conformance.model.paths import ELEMENTS, is_single
from conformance.model.ranges import cents_range, integer_range, number_range
from conformance.patterns.backtracking import slow

if TYPE_CHECKING:
    from conformance.model.collection import Collection, Field, Model

#: JSON pointer within the schema (without its first slash), and what is wrong and how to fix it.
Problem = tuple[str, str]

#: Kinds whose values can be told apart and made without limit, so that they can be unique.
UNIQUE_KINDS: Final = frozenset({"objectid", "uuid", "string", "integer"})

_BOUNDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_TEXT: Final = frozenset({"minLength", "maxLength", "pattern"})
_SAYS: Final[Mapping[Kind, frozenset[str]]] = {
    "objectid": frozenset(),
    "bson": frozenset(),
    "uuid": frozenset(),
    "timestamp": frozenset(),
    "money": _BOUNDS,
    "enum": frozenset(),
    "scalar": _BOUNDS | _TEXT - {"pattern"},
    "map": frozenset({"properties", "required", "additionalProperties"}),
    "dictionary": frozenset({"patternProperties", "additionalProperties", "minProperties", "maxProperties"}),
    "vector": frozenset({"items", "minItems", "maxItems"}),
    "list": frozenset({"items", "minItems", "maxItems"}),
    "string": _TEXT,
    "integer": _BOUNDS,
    "number": _BOUNDS,
    "boolean": frozenset(),
}
#: Keywords of fields with one value per document, and why.
_ONE_VALUE: Final[Mapping[str, str]] = {
    "x-unique": "which documents share or not as a whole",
    "x-immutable": "which change as a whole",
    "x-sample": "and they are made by their schema alone",
}
_CONSTRAINTS: Final = frozenset[str]().union(*_SAYS.values())
_MARKS: Final = ("x-bson", "x-uuid", "x-timestamp", "x-money", "enum")
_RANGES: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[float, float]]]] = {
    "integer": integer_range,
    "money": cents_range,
    "number": number_range,
}
_PAIRS: Final = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)


def pointer(field: Field) -> str:
    """Return where a field stands in its schema, as a JSON pointer without its first slash."""
    return field.pointer


def check_values(_: Model, collection: Collection) -> Iterator[Problem]:
    """Every field of a collection, each for itself."""
    for field in collection.everywhere():
        schema, where = field.schema, pointer(field)
        yield from _definition(field.kind, schema, where)
        if field.kind == "vector":
            yield from _numbers(schema["items"], f"{where}/items")
        if "x-unit-length" in schema and field.kind != "vector":
            yield f"{where}/x-unit-length", "only an array of numbers with minItems and maxItems has a length; add them"
        if field.kind == "dictionary":
            (pattern,) = schema["patternProperties"]
            if reason := slow(pattern, None):
                yield f"{where}/patternProperties/{pattern}", reason
        if field.kind == "vector" and takes_null(schema):
            yield f"{where}/type", "a vector is never null; write array, and leave the field out where there is none"
        if field.kind == "vector" and collection.synced:
            yield where, "a vector is too large for devices; leave the collection unsynced"
        if "x-unique" in schema and field.kind not in UNIQUE_KINDS:
            yield f"{where}/x-unique", f"a {field.kind} cannot be unique; use a string, integer or UUID"
        if field.path != field.name and {"x-agrees", "x-snapshot"} & schema.keys():
            yield where, "only a top-level field can copy another collection; move it up"
        if schema.get("x-crdt") == "counter" and field.kind not in ("integer", "number"):
            yield f"{where}/x-crdt", "only a number can be a counter"
        if field.kind in ("map", "dictionary") and "x-crdt" not in schema and ELEMENTS not in field.path:
            yield (
                where,
                "the keyword 'x-crdt' is missing; add map, or register for an object that is replaced whole",
            )
        if not is_single(field.path):
            yield from _of_several(schema, where)


def _of_several(schema: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Check a field of which a document may have several values."""
    for keyword, why in _ONE_VALUE.items():
        if keyword in schema:
            yield f"{where}/{keyword}", f"a document may have several values here, {why}; remove it"


def _numbers(schema: Mapping[str, Any], where: str) -> Iterator[Problem]:
    kind = kind_of(schema)
    if kind != "number":
        yield where, f"a {kind} is not supported here; a vector has numbers"
    else:
        yield from _definition(kind, schema, where)


def _definition(kind: Kind, schema: Mapping[str, Any], where: str) -> Iterator[Problem]:
    marks = [mark for mark in _MARKS if mark in schema]
    if len(marks) > 1:
        yield f"{where}/{marks[1]}", f"{marks[0]} and {marks[1]} are two kinds; keep one"
    for keyword in schema:
        if keyword in _CONSTRAINTS - _SAYS[kind]:
            yield f"{where}/{keyword}", f"{keyword} does not apply to a {kind}; remove it"
    for low, high in _PAIRS:
        if low in schema and high in schema and schema[low] > schema[high]:
            yield f"{where}/{low}", f"{low} {schema[low]} is above {high} {schema[high]}; no value fits"
    if kind == "enum":
        wanted = {"string": str, "integer": int}.get(str(schema.get("type", "")))
        if wanted is None or any(type(value) is not wanted for value in schema["enum"]):
            yield f"{where}/enum", "the values are not of the field's type (string or integer); make them so"
    if "pattern" in schema and (reason := slow(schema["pattern"], schema.get("maxLength"))):
        yield f"{where}/pattern", reason
    yield from _empty(kind, schema, where)


def _empty(kind: Kind, schema: Mapping[str, Any], where: str) -> Iterator[Problem]:
    declared = schema["type"] if kind == "scalar" else [kind]
    for name in declared:
        if name in _RANGES:
            low, high = _RANGES[name](schema)
            if low > high:
                bounds = ", ".join(f"{keyword} {schema[keyword]}" for keyword in sorted(_BOUNDS & schema.keys()))
                yield where, f"no {name} fits {bounds}; correct the bounds"


def unlike(own: Mapping[str, Any], key: Mapping[str, Any]) -> str | None:
    """Return why a field with the schema ``own`` cannot refer to one with the schema ``key``; None when it can.

    Of a field of several BSON types, null refers to nothing, and the others must be types of the key.
    """
    if kind_of(own) == "bson":
        other = sorted({*own["x-bson"]} - {"null"} - bson_types(key))
        return f"is never {' or '.join(other)}; remove that from x-bson" if other else None
    if kind_of(own) != kind_of(key):
        return "is of another kind; give both the same"
    keyword = narrower(own, key)
    return f"allows more values; give both the same {keyword}" if keyword else None


def narrower(own: Mapping[str, Any], source: Mapping[str, Any]) -> str | None:
    """Return the first keyword by which ``own`` refuses values that ``source``, of the same kind, takes; else None."""
    if type_of(own) != type_of(source) or (takes_null(source) and not takes_null(own)):
        return "type"
    if "enum" in own and not set(source.get("enum", ())) <= set(own["enum"]):
        return "enum"
    for keyword in ("pattern", "properties", "patternProperties", "items", "x-timestamp"):
        if keyword in own and own[keyword] != source.get(keyword):
            return keyword
    for keyword in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
        if keyword in own and source.get(keyword, float("-inf")) < own[keyword]:
            return keyword
    for keyword in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
        if keyword in own and source.get(keyword, float("inf")) > own[keyword]:
            return keyword
    return None
