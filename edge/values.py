"""Documents between MongoDB and Ditto, both ways: what arrives as it is, as text, or not at all.

The managed connector's documentation says which BSON types cross: ObjectId, Date and Decimal128 arrive as text, and
what it does not list is not replicated. So every BSON type either crosses without loss, or as the text said in
``to_ditto``, or is refused by its name (Unsyncable); nothing is bent in silence, as the SDK would by itself: it stores
a Decimal as an array, and a UUID or an integer of 2**64 as bytes.

What came back from a real store, tried on SDK 5.2.0.dev0: every finite double in all its bits, 5 apart from 5.0; text
with any character, NUL included; names of any kind (empty, dots, dollars, backticks, NUL, 70,000 characters; composed
and decomposed letters are two names); null, empty objects and arrays. The names of an object come back sorted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import NoneType
from typing import Any, Final, NoReturn

import bson
from bson import DBRef, Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from bson.son import SON

from conformance.model.collection import Collection, IdMapping
from conformance.text.rendering import bson_type, shorten
from edge import cbor
from edge.object_ids import alike, has_parts, id_parts, in_order, made_of_fields, object_id_paths

#: Objects nested deeper are accepted by Ditto, and end the process when they are read: 29 came back, 30 did not. Arrays
#: hold out for longer (66 came back, 120 did not), but one bound is kept for both.
MAX_DEPTH: Final = 29
#: Bytes of a document, as ``stored_size`` counts them, above which Ditto refuses it.
MAX_DOCUMENT: Final = 5_242_880
#: Bytes of an _id as CBOR, above which Ditto refuses it; names count in an _id of several fields.
MAX_ID: Final = 256
#: Bytes that Ditto counts besides the CBOR content, at most: for a document, for a field of an object with
#: any other value, and for one that holds an object. Never below its own count (tests measure it).
_PER_DOCUMENT: Final = 130
_PER_FIELD: Final = 80
_PER_OBJECT: Final = 52
#: BSON of this many bytes always fits: an element takes 2 bytes at least, and Ditto counts 85 at most besides content.
_FITS: Final = MAX_DOCUMENT // 44
_INT64: Final = 2**63

Document = dict[str, Any]


class Unsyncable(Exception):  # noqa: N818 - a verdict on a document, not a failure
    """A document that cannot cross: the dotted ``path`` of what is at fault ("" for the whole) and the ``reason``."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason
        self._below = False

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason

    def under(self, name: str) -> Unsyncable:
        """Return the same error as seen from the object that contains it under ``name``."""
        verdict = Unsyncable(f"{name}.{self.path}" if self._below else name, self.reason)
        verdict._below = True  # a name may be empty, so the path does not tell
        return verdict


def to_ditto(document: Mapping[str, Any], collection: Collection, mapping: IdMapping) -> Document:
    """Return a MongoDB document as Ditto stores it, ``_id`` by the mapping in force.

    ObjectId becomes its 24 hex digits, Date ``YYYY-MM-DDTHH:MM:SS.mmmZ`` (UTC, always with milliseconds), Decimal128
    its digits. Raises Unsyncable for other types (Binary, Regex, Timestamp, …), NaN and infinities, a Date that has no
    such text, an integer beyond 64 bits, nesting, size or an _id beyond Ditto's limits, an _id that is no _id in Ditto
    or would not come back as the same.
    """
    identity = ditto_id(document, mapping, id_parts(collection))
    _require_id_types(document, collection, mapping)
    content = dict(document)
    content.pop("_id", None)
    made = {"_id": identity, **_object(content, 0)}
    require_size(made)
    return made


def ditto_id(document: Mapping[str, Any], mapping: IdMapping, parts: tuple[str, ...] = ()) -> Any:
    """Ditto's _id of a document of either side: its _id, a field's value, or an object of several fields' values.

    ``parts`` are those of an _id that is an object in MongoDB too. Raises Unsyncable where a part of it is missing or
    is neither text, integer, boolean nor ObjectId, or where it is too long.
    """
    return identity_of(document, mapping, parts, _value)


def identity_of(
    document: Mapping[str, Any], mapping: IdMapping, parts: tuple[str, ...], convert: Callable[[Any, str, int], Any]
) -> Any:
    """Return what ``ditto_id`` does, with ``convert`` for the value of each part, given its name and depth."""
    if mapping.mode == "match_ids" and has_parts(document.get("_id"), parts):
        identity = {name: _id_part(document["_id"], name, convert) for name in parts}
    elif mapping.mode == "match_ids":
        identity = _id_part(document, "_id", convert)
    elif mapping.mode == "single_field":
        identity = _id_part(document, mapping.fields[0], convert)
    else:
        identity = {name: _id_part(document, name, convert) for name in mapping.fields}
    require_id_size(identity)
    return identity


def require_id_size(identity: Any) -> None:
    """Raise Unsyncable for an _id that is too long for Ditto."""
    short = type(identity) is str and len(identity) < MAX_ID // 4  # a character has 4 bytes at most
    if not short and (size := len(cbor.dumps(identity))) > MAX_ID:
        raise Unsyncable("_id", f"it has {size:,} bytes in Ditto; at most {MAX_ID} are allowed")


def require_size(document: Document) -> None:
    """Raise Unsyncable for a document, as Ditto stores it, that is too large for Ditto."""
    if len(bson.encode(document)) > _FITS and (size := stored_size(document)) > MAX_DOCUMENT:
        raise Unsyncable("", f"the document has {size:,} bytes in Ditto; at most {MAX_DOCUMENT:,} are allowed")


def to_mongo(document: Mapping[str, Any], collection: Collection, mapping: IdMapping) -> Document:
    """Return a Ditto document as MongoDB stores it, with ObjectIds where the schema has them.

    ``_id`` is Ditto's (match_ids), or the field's that the model says it equals, or absent: MongoDB then gives one to
    a new document, and the id fields find one that is there. Raises Unsyncable for bytes and integers beyond 64 bits,
    names that hold NUL, nesting beyond MAX_DEPTH, an _id that the id fields do not make, text that is no ObjectId, and
    an _id with which the document could not come back from MongoDB.
    """
    made = _object(document, 0)
    if "_id" not in made:
        raise Unsyncable("_id", "it is missing; select the whole document")
    parts = id_parts(collection)
    identity = ditto_id(made, mapping, parts)
    if mapping.mode != "match_ids" and not alike(identity, made.pop("_id")):
        raise Unsyncable(" + ".join(mapping.fields), "it differs from the _id; an id field cannot be changed")
    for path in object_id_paths(collection):
        _restore(made, path)
    _require_id_types(made, collection, mapping)
    if mapping.mode != "match_ids":
        return {**made_of_fields(made, collection), **made}
    return {**made, "_id": in_order(made["_id"], parts)} if parts else made


def _require_id_types(document: Mapping[str, Any], collection: Collection, mapping: IdMapping) -> None:
    """Raise Unsyncable where what makes the _id is an ObjectId and the schema has none there, or the reverse."""
    prefix, holder, names = "", document, mapping.fields or ("_id",)
    if mapping.mode == "match_ids" and (parts := id_parts(collection)):
        if not isinstance(document["_id"], Mapping):
            raise Unsyncable("_id", f"it has the BSON type {bson_type(document['_id'])}; the schema requires an object")
        prefix, holder, names = "_id.", document["_id"], parts
    for name in names:
        if (type(holder[name]) is ObjectId) != (prefix + name in object_id_paths(collection)):
            found = bson_type(holder[name])
            raise Unsyncable(prefix + name, f"it has the BSON type {found}; the schema defines another type")


def stored_size(document: Mapping[str, Any]) -> int:
    """Return the bytes that Ditto counts for a document that one device wrote; an eighth more than it does at most.

    They are far more than its content: each field of each object weighs about 80 bytes besides its name and value, so
    that 65,000 of them fill a document.
    """
    fields = sum(_overhead(value) for name, value in document.items() if name != "_id")
    return _PER_DOCUMENT + len(cbor.dumps(document, canonical=True)) + fields


def _overhead(value: Any) -> int:
    return _PER_OBJECT + sum(map(_overhead, value.values())) if type(value) is dict else _PER_FIELD


def _restore(document: Document, path: str) -> None:
    """Make the text at the dotted path an ObjectId, if there is any."""
    *way, name = path.split(".")
    for step in way:
        document = document.get(step, {})
        if type(document) is not dict:
            return
    text = document.get(name)
    if type(text) is str:
        if not ObjectId.is_valid(text):
            raise Unsyncable(path, f"{shorten(text)} is not an ObjectId; the schema requires one")
        document[name] = ObjectId(text)


def _id_part(document: Mapping[str, Any], name: str, convert: Callable[[Any, str, int], Any]) -> Any:
    if name not in document:
        raise Unsyncable(name, "it is missing, but the _id is made of it")
    value = document[name]
    if type(value) not in _ID_TYPES:
        raise Unsyncable(name, f"the BSON type {bson_type(value)} is not allowed in an _id")
    return convert(value, name, 0)


def _value(value: Any, name: str, depth: int) -> Any:
    """Return the value of one field, itself ``depth`` objects and arrays deep."""
    try:
        return _CONVERT.get(type(value), refuse)(value, depth)
    except Unsyncable as fault:
        raise fault.under(name) from None


def refuse(value: Any, _: int = 0) -> NoReturn:
    """Raise Unsyncable for a value whose BSON type does not sync; DBRef and Code with a scope are named apart."""
    name = "dbPointer" if isinstance(value, DBRef) else bson_type(value)
    scope = "WithScope" if getattr(value, "scope", None) is not None else ""
    raise Unsyncable("", f"the BSON type {name}{scope} does not sync")


def _same(value: Any, _: int) -> Any:
    return value


def require_text(value: str) -> str:
    """Return the text; raise Unsyncable unless it can be written in UTF-8."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unsyncable("", "a string that is not UTF-8, for example half a character") from None
    return value


def require_integer(value: int) -> int:
    """Return the integer; raise Unsyncable if it is beyond 64 bits."""
    if not -_INT64 <= value < _INT64:
        raise Unsyncable("", "an integer beyond 64 bits")
    return int(value)


def _double(value: float, _: int) -> float:
    if not math.isfinite(value):
        raise Unsyncable("", f"{value} is not a number that Ditto can store")
    return value


def _date(value: datetime, _: int) -> str:
    try:
        utc = value.astimezone(UTC) if value.tzinfo else value
    except OverflowError:
        raise Unsyncable("", "a date outside the years 1 to 9999") from None
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _raw_date(value: DatetimeMS, depth: int) -> str:
    try:
        return _date(value.as_datetime(), depth)
    except (OverflowError, ValueError, bson.errors.InvalidBSON):
        raise Unsyncable("", "a date outside the years 1 to 9999") from None


def _object(value: Mapping[str, Any], depth: int) -> Document:
    require_depth(depth)
    made = {}
    for name, inner in value.items():
        if type(name) is not str or not name.isidentifier():
            require_name(name)
        made[name] = _value(inner, name, depth + 1)
    return made


def _array(value: list[Any], depth: int) -> list[Any]:
    require_depth(depth)
    return [_value(inner, str(position), depth + 1) for position, inner in enumerate(value)]


def require_depth(depth: int) -> None:
    """Raise Unsyncable for what is nested deeper than Ditto takes."""
    if depth > MAX_DEPTH:
        raise Unsyncable("", f"nested more than {MAX_DEPTH} levels deep")


def require_name(name: object) -> None:
    """Raise Unsyncable for the name of a field that MongoDB or Ditto does not take."""
    if type(name) is not str:
        raise Unsyncable("", f"the name {shorten(name)} is not a string")
    if "\0" in name:
        raise Unsyncable("", f"the name {shorten(name)} contains NUL, which MongoDB does not allow")
    require_text(name)


_ID_TYPES: Final = frozenset({str, int, bool, Int64, ObjectId})
_CONVERT: Final[Mapping[type, Callable[[Any, int], Any]]] = {
    str: lambda value, _: require_text(value),
    bool: _same,
    NoneType: _same,
    **dict.fromkeys((int, Int64), lambda value, _: require_integer(value)),
    float: _double,
    **dict.fromkeys((ObjectId, Decimal128), lambda value, _: str(value)),
    datetime: _date,
    DatetimeMS: _raw_date,
    dict: _object,
    SON: _object,
    RawBSONDocument: _object,
    list: _array,
}
