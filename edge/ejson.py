"""Documents between MongoDB and Ditto in the connector's mode ``ejson``: canonical Extended JSON, without loss.

Every BSON type has a form of its own on devices, an object whose names begin with a dollar sign: a double 2.5 is
``{"$numberDouble": "2.5"}``, a Date ``{"$date": {"$numberLong": "1767225600000"}}``. Text, booleans, null, objects and
arrays are unchanged. The forms are those of MongoDB's specification of Extended JSON v2, as pymongo writes them.

A device has to write the same canonical form. Another one, for instance a plain number, is not guessed at: the document
is recorded as unsynced with the form that was expected, because two spellings of one value would pass for an edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any, Final

from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.errors import InvalidBSON
from bson.json_util import CANONICAL_JSON_OPTIONS, default, object_hook
from bson.raw_bson import RawBSONDocument
from bson.son import SON

from conformance.model.collection import Collection, IdMapping
from edge.object_ids import has_parts, id_parts, in_order, made_of_fields
from edge.values import (
    Unsyncable,
    identity_of,
    refuse,
    require_depth,
    require_integer,
    require_name,
    require_size,
    require_text,
)

Document = dict[str, Any]

_UNCHANGED: Final = frozenset({bool, NoneType})
_OBJECTS: Final = frozenset({dict, SON, RawBSONDocument})
_WRAPPED: Final = frozenset(
    {
        int,
        Int64,
        float,
        datetime,
        DatetimeMS,
        ObjectId,
        Decimal128,
        bytes,
        Binary,
        Timestamp,
        Regex,
        Code,
        MinKey,
        MaxKey,
    }
)


def is_value(item: Any) -> bool:
    """Return whether an object is the form of one value, and not a document of its own."""
    return type(item) is dict and any(name.startswith("$") for name in item)


def to_ditto(document: Mapping[str, Any], mapping: IdMapping, parts: tuple[str, ...] = ()) -> Document:
    """Return a MongoDB document as Ditto stores it in mode ``ejson``, with ``_id`` by the mapping in force.

    ``parts`` are those of an _id that is an object in MongoDB. Raises Unsyncable for a name that begins with a dollar
    sign (a device would take it for a form), for text that is not UTF-8, for a type without a form (DBRef), and for
    nesting, size or an _id beyond Ditto's limits.
    """
    content = {name: _wrapped(value, name, 1) for name, value in document.items() if _named(name) != "_id"}
    made = {"_id": identity_of(document, mapping, parts, _wrapped), **content}
    require_size(made)
    return made


def to_mongo(document: Mapping[str, Any], collection: Collection, mapping: IdMapping) -> Document:
    """Return a Ditto document as MongoDB stores it.

    ``_id`` is Ditto's (match_ids), or that of the field that the model says it equals, or absent, as in mode native.
    Raises Unsyncable for a value that is not in canonical form, and for an _id that the id fields do not make.
    """
    if "_id" not in document:
        raise Unsyncable("_id", "it is missing; select the whole document")
    made = {name: _unwrapped(value, name, 1) for name, value in document.items()}
    parts = id_parts(collection)
    if mapping.mode == "match_ids":
        identity_of(made, mapping, parts, _wrapped)
        return {**made, "_id": in_order(made["_id"], parts)} if has_parts(made["_id"], parts) else made
    if identity_of(made, mapping, (), _wrapped) != document["_id"]:
        raise Unsyncable(" + ".join(mapping.fields), "it differs from the _id; an id field cannot be changed")
    del made["_id"]
    return {**made_of_fields(made, collection), **made}


def _wrapped(value: Any, name: str, depth: int) -> Any:
    """Return the form of the value of one field, itself ``depth`` objects and arrays deep."""
    try:
        return _wrap(value, depth)
    except Unsyncable as fault:
        raise fault.under(name) from None


def _wrap(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return require_text(value)
    if kind in _UNCHANGED:
        return value
    if kind in _OBJECTS:
        require_depth(depth)
        return {_named(name): _wrapped(inner, name, depth + 1) for name, inner in value.items()}
    if kind is list:
        require_depth(depth)
        return [_wrapped(inner, str(position), depth + 1) for position, inner in enumerate(value)]
    if kind not in _WRAPPED or (kind is Code and value.scope is not None):
        refuse(value)
    if kind is int:
        require_integer(value)
    return default(value, CANONICAL_JSON_OPTIONS)


def _named(name: Any) -> str:
    require_name(name)
    if name.startswith("$"):
        raise Unsyncable("", "a name that begins with $ is taken for a value's form in mode ejson").under(name)
    return str(name)


def _unwrapped(value: Any, name: str, depth: int) -> Any:
    """Return the value of one field in MongoDB's type."""
    try:
        return _unwrap(value, depth)
    except Unsyncable as fault:
        raise fault.under(name) from None


def _unwrap(value: Any, depth: int) -> Any:
    if type(value) is dict and is_value(value):
        return _read(value)
    if type(value) is dict:
        require_depth(depth)
        return {_named(name): _unwrapped(inner, name, depth + 1) for name, inner in value.items()}
    if type(value) is list:
        require_depth(depth)
        return [_unwrapped(inner, str(position), depth + 1) for position, inner in enumerate(value)]
    if type(value) is str:
        return require_text(value)
    if type(value) in _UNCHANGED:
        return value
    if type(value) in (int, float):
        raise Unsyncable("", f"a plain number; mode ejson expects {_shown(default(value, CANONICAL_JSON_OPTIONS))}")
    return refuse(value)


def _read(form: Document) -> Any:
    """Return the value of a form; raise Unsyncable unless it is the canonical form of what it stands for."""
    try:
        value = _date(form["$date"]) if form.keys() == {"$date"} else object_hook(dict(form), CANONICAL_JSON_OPTIONS)
        written = default(value, CANONICAL_JSON_OPTIONS) if type(value) in _WRAPPED else None
    except Exception:  # whatever pymongo raises for what a device may have written
        written = None
    if written is None:
        raise Unsyncable("", f"{_shown(form)} is not a form of Extended JSON")
    if written != form:
        raise Unsyncable("", f"{_shown(form)} is not canonical; mode ejson expects {_shown(written)}")
    if isinstance(value, int):
        require_integer(value)
    return value


def _date(operand: Any) -> datetime | DatetimeMS:
    """Return a Date as the driver reads it: beyond the years 1 to 9999 in milliseconds, which datetime cannot hold."""
    if type(operand) is not dict:
        return DatetimeMS(object_hook({"$date": operand}, CANONICAL_JSON_OPTIONS))
    milliseconds = DatetimeMS(int(_read(operand)))
    try:
        return milliseconds.as_datetime()
    except (OverflowError, ValueError, InvalidBSON):
        return milliseconds


def _shown(form: Any) -> str:
    text = str(form).replace("'", '"')
    return text if len(text) <= 80 else f"{text[:80]}…"
