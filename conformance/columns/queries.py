"""Queries on columns: which documents surely match, and which may.

A rule's screen is a query for the documents that may violate it. Those that may match it are handed to the server; a
document for which it is proven here that it does not match needs no further look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from conformance.columns.expressions import truth
from conformance.columns.layout import ARRAY, OBJECT, TEXT, Array, Batch, UnusualError
from conformance.columns.operations import is_ascii
from conformance.columns.patterns import matches
from conformance.columns.values import (
    EXACT,
    IS_NUMBER,
    NAMES,
    UNKNOWN,
    Values,
    as_bytes,
    code_table,
    codes_at,
    values_at,
)
from conformance.columns.vectors import elements_meet, vectors_at
from conformance.text.invisible import BLANK, IN_NAMES, IN_PROSE, PADDED

Query = Mapping[str, Any]

_PLAIN: Final = bytes([0, *range(0x20, 0x7F)])
#: Patterns of signs that plain text, printable ASCII without a space at either end, does not have.
_NOT_PLAIN: Final = frozenset({BLANK, IN_NAMES, IN_PROSE, PADDED})


def may_match(query: Query, batch: Batch) -> Array:
    """Return the documents that a query may find: those that it does, and those for which that is not known."""
    found = np.ones(len(batch), dtype=bool)
    for name, condition in query.items():
        if name == "$expr":
            is_true, unsure = truth(condition, batch)
            found &= is_true | unsure
        elif name == "$nor":
            for one in condition:
                found &= ~must_match(one, batch)
        elif name == "$or":
            found &= np.any([may_match(one, batch) for one in condition], axis=0)
        elif isinstance(condition, dict) and condition.keys() == {"$regex"} and condition["$regex"] in _NOT_PLAIN:
            codes = codes_at(batch, name)
            found &= code_table(UNKNOWN, ARRAY, 0x0E)[codes] | ((codes == TEXT) & ~_is_plain(batch, name))
        else:
            raise UnusualError
    return found


def _is_plain(batch: Batch, path: str) -> Array:
    """Return which texts are printable ASCII without a space at either end."""
    values = values_at(batch, path)
    if values.texts is None:
        return np.zeros(len(batch), dtype=bool)
    rows = as_bytes(values.texts)
    visible = rows[:, 0] > 0x20
    if values.raw.translate(None, _PLAIN):  # most batches hold nothing else
        visible &= ((rows >= 0x20) & (rows < 0x7F) | (rows == 0)).all(axis=1)
    padded: Array = rows[:, -1] == 0x20
    if b" \0" in values.raw:
        padded |= ((rows[:, :-1] == 0x20) & (rows[:, 1:] == 0)).any(axis=1)
    return visible & ~padded & values.sure


def must_match(query: Query, batch: Batch) -> Array:
    """Return the documents that a query surely finds."""
    found = np.ones(len(batch), dtype=bool)
    for name, condition in query.items():
        if name == "$expr":
            found &= truth(condition, batch)[0]
        elif name == "$jsonSchema":
            found &= _meets(condition, batch, "", np.full(len(batch), OBJECT, dtype=np.uint8))
        elif condition == {"$exists": True}:
            codes = codes_at(batch, name)
            found &= (codes != 0) & (codes != UNKNOWN)
        else:
            raise UnusualError
    return found


def _meets(schema: Query, batch: Batch, path: str, codes: Array) -> Array:
    """Return the documents whose value at a path surely meets a schema as $jsonSchema has it."""
    found = codes != UNKNOWN
    for keyword, argument in schema.items():
        test = _KEYWORDS.get(keyword)
        if test is None:
            raise UnusualError
        found = found & test(argument, batch, path, codes, schema)
    return found


def _type(names: Any, _batch: Batch, _path: str, codes: Array, _schema: Query) -> Array:
    listed = [names] if isinstance(names, str) else names
    found = code_table(*(NAMES[name] for name in listed if name in NAMES))[codes]
    return found | IS_NUMBER[codes] if "number" in listed else found


def _properties(properties: Query, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    found = np.ones(len(batch), dtype=bool)
    for name, schema in properties.items():
        inner = f"{path}.{name}" if path else name
        codes_inside = codes_at(batch, inner)
        if "." in name or not codes_inside.any():
            if "." in name:
                raise UnusualError
            continue
        found &= (codes_inside == 0) | _meets(schema, batch, inner, codes_inside)
    return found | (codes != OBJECT)


def _additional(allowed: Any, batch: Batch, path: str, codes: Array, schema: Query) -> Array:
    if allowed is not False or "patternProperties" in schema:
        raise UnusualError
    before = f"{path}." if path else ""
    found = np.full(len(batch), not path or path not in batch.columns or batch.columns[path].opened)
    for name in batch.names(path) - schema.get("properties", {}).keys():
        found &= codes_at(batch, before + name) == 0
    return found | (codes != OBJECT)


def _required(names: Any, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    found = np.ones(len(batch), dtype=bool)
    for name in names:
        inside = codes_at(batch, f"{path}.{name}" if path else name)
        found &= (inside != 0) & (inside != UNKNOWN)
    return found | (codes != OBJECT)


def _most_names(number: Any, batch: Batch, path: str, _codes: Array, _schema: Query) -> Array:
    if path:
        raise UnusualError
    counted: Array = sum((codes_at(batch, name) != 0).astype(np.int64) for name in batch.names(""))
    return counted <= number


def _texts(batch: Batch, path: str, codes: Array) -> tuple[Values, Array]:
    """Return the values at a path, and which of them are known ASCII texts."""
    values = values_at(batch, path)
    if values.texts is None:
        return values, np.zeros(len(batch), dtype=bool)
    plain: Array = (codes == TEXT) & values.sure & is_ascii(values)
    return values, plain


def _pattern(pattern: Any, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    values, plain = _texts(batch, path, codes)
    if pattern == "^":
        return (codes != TEXT) | plain | _readable(values, codes, plain)
    return (codes != TEXT) | (plain & matches(pattern, values)) if values.texts is not None else codes != TEXT


def _readable(values: Values, codes: Array, plain: Array) -> Array:
    """Return which of the texts that are not ASCII are UTF-8."""
    found = np.zeros(len(codes), dtype=bool)
    if values.texts is not None:
        for at in np.flatnonzero((codes == TEXT) & values.sure & ~plain):
            found[at] = _characters(values.texts[at]) is not None
    return found


def _characters(text: bytes) -> int | None:
    """Return the number of characters; None if the bytes are no text."""
    try:
        return len(text.decode())
    except UnicodeDecodeError:
        return None


def _lengths(batch: Batch, path: str, codes: Array) -> Array:
    """Return how many characters each text has; NaN where that is not known."""
    key = "length", path
    if key not in batch.cache:
        values, plain = _texts(batch, path, codes)
        lengths = np.full(len(codes), np.nan)
        if values.texts is not None:
            lengths[plain] = np.char.str_len(values.texts[plain])
            for at in np.flatnonzero((codes == TEXT) & values.sure & ~plain):
                lengths[at] = _characters(values.texts[at]) or np.nan
        batch.cache[key] = lengths
    found: Array = batch.cache[key]
    return found


def _shortest(number: Any, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    return (codes != TEXT) | (_lengths(batch, path, codes) >= number)


def _longest(number: Any, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    return (codes != TEXT) | (_lengths(batch, path, codes) <= number)


def _enum(listed: Any, batch: Batch, path: str, _codes: Array, _schema: Query) -> Array:
    return truth({"$in": [f"${path}", {"$literal": listed}]}, batch)[0]


def _bound(operator: str, strict: str, exclusive: str) -> Any:
    def test(limit: Any, batch: Batch, path: str, codes: Array, schema: Query) -> Array:
        operators = strict if schema.get(exclusive) else operator
        values = values_at(batch, path)
        if values.numbers is None:
            return ~IS_NUMBER[codes]
        with np.errstate(invalid="ignore"):
            kept = _COMPARE[operators](values.numbers, limit)
            if abs(limit) > EXACT:  # which may be rounded here
                kept &= np.abs(values.numbers) <= EXACT
        return ~IS_NUMBER[codes] | (kept & values.sure)

    return test


def _items(schema: Query, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    return (codes != ARRAY) | elements_meet(schema, vectors_at(batch, path))


def _fewest(number: Any, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    return (codes != ARRAY) | (vectors_at(batch, path).sizes >= number)


def _most(number: Any, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    vectors = vectors_at(batch, path)
    return (codes != ARRAY) | (vectors.known & (vectors.sizes <= number))


def _all_of(schemas: Any, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    return np.all([_meets(one, batch, path, codes) for one in schemas], axis=0)


def _any_of(schemas: Any, batch: Batch, path: str, codes: Array, _schema: Query) -> Array:
    return np.any([_meets(one, batch, path, codes) for one in schemas], axis=0)


def _said_above(_argument: Any, batch: Batch, _path: str, _codes: Array, _schema: Query) -> Array:
    return np.ones(len(batch), dtype=bool)


_COMPARE: Final = {"<=": np.less_equal, "<": np.less, ">=": np.greater_equal, ">": np.greater}
_KEYWORDS: Final = {
    "bsonType": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "maxProperties": _most_names,
    "pattern": _pattern,
    "minLength": _shortest,
    "maxLength": _longest,
    "enum": _enum,
    "minimum": _bound(">=", ">", "exclusiveMinimum"),
    "maximum": _bound("<=", "<", "exclusiveMaximum"),
    "exclusiveMinimum": _said_above,
    "exclusiveMaximum": _said_above,
    "items": _items,
    "minItems": _fewest,
    "maxItems": _most,
    "allOf": _all_of,
    "anyOf": _any_of,
}
