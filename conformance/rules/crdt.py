"""Family crdt: the shapes that merge on devices without loss.

A document that meets its schema cannot break the structural rules: the vocabulary has no null, no open object and no
array in a synced collection. So only documents that do not meet it are read and walked here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bson import ObjectId

from conformance.configuration import Configuration
from conformance.kinds import MAX_INTEGER
from conformance.model import Collection, Model
from conformance.oracle import shorten
from conformance.rules.base import Document, Rule
from conformance.rules.screen import DocumentTest
from conformance.validator import validator

TYPICAL_SIZE: Final = 100 * 1024
HARD_SIZE: Final = 500 * 1024
#: Ditto accepts MAPs nested deeper than this and aborts the process when they are read (02-data-model).
MAX_DEPTH: Final = 29
#: Ditto takes an _id of up to 256 serialised bytes; text of this length has a head of at most two more.
MAX_ID_BYTES: Final = 254

Walked = Iterator[tuple[str, Any]]


def rules(model: Model, _: Configuration) -> Iterator[Rule]:
    """The rules of every synced collection; a collection that never reaches a device has none."""
    for collection in model:
        if collection.synced:
            yield from _structure(collection)
            yield from _sizes(collection)
            yield from _identity(collection)


def _structure(collection: Collection) -> Iterator[Rule]:
    unfit = {"$nor": [validator(collection)]}
    for subject, (title, find, why, mend) in _STRUCTURE.items():
        maps = [field for field in collection.walk() if field.kind in ("map", "dictionary")]
        if subject == "maps" and not maps:
            continue
        yield Rule(
            id=f"crdt.{collection.name}.{subject}",
            title=f"{collection.title}: {title}",
            check=DocumentTest(collection.name, screen=unfit, why=_first(find, collection)),
            why=why,
            mend=mend,
        )


def _first(find: Callable[[Collection, Document], Iterator[str]], collection: Collection) -> Callable[..., str | None]:
    return lambda document: next(find(collection, document), None)


def walk(value: Mapping[str, Any], path: str = "") -> Walked:
    """Every value of a document with its dotted path, containers before what they hold; not recursive in Python."""
    stack: list[tuple[str, Any]] = [(f"{path}{name}", inner) for name, inner in reversed(list(value.items()))]
    while stack:
        where, inner = stack.pop()
        yield where, inner
        if isinstance(inner, Mapping):
            stack += [(f"{where}.{name}", below) for name, below in reversed(list(inner.items()))]
        elif isinstance(inner, list):
            stack += [(f"{where}.{position}", below) for position, below in reversed(list(enumerate(inner)))]


def _arrays(_: Collection, document: Document) -> Iterator[str]:
    for path, value in walk(document):
        if isinstance(value, list):
            yield f"{path} is an array of {len(value)}"


def _nulls(_: Collection, document: Document) -> Iterator[str]:
    for path, value in walk(document):
        if value is None:
            yield f"{path} is null"


def _maps(collection: Collection, document: Document) -> Iterator[str]:
    for field in collection.walk():
        if field.kind not in ("map", "dictionary"):
            continue
        value: Any = document
        for name in field.path.split("."):
            value = value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        if value is _ABSENT:
            continue
        if not isinstance(value, Mapping):
            yield f"{field.path} is {shorten(value)}, not a MAP"
        elif field.kind == "map":
            missing = [child.name for child in field.children if child.required and child.name not in value]
            extra = sorted(value.keys() - {child.name for child in field.children})
            if missing or extra:
                yield f"{field.path} lacks {missing or 'nothing'} and has {extra or 'nothing'} besides"


def _names(_: Collection, document: Document) -> Iterator[str]:
    for path, _value in walk(document):
        name = path.rpartition(".")[2]
        if (name.startswith("_") and path != "_id") or "$" in name or not name:
            yield f"{path} is not a name that devices take"
    for name in document:
        if "." in name:
            yield f"the name {name!r} has a dot in it"


def _types(_: Collection, document: Document) -> Iterator[str]:
    for path, value in walk(document):
        if isinstance(value, bool | str | Mapping | list) or value is None:
            continue
        if isinstance(value, ObjectId) and path == "_id":
            continue
        if isinstance(value, float):
            if not math.isfinite(value):
                yield f"{path} is {value}"
        elif not isinstance(value, int) or not -MAX_INTEGER <= value <= MAX_INTEGER:
            yield f"{path} is {shorten(value)} ({type(value).__name__})"


def _depth(_: Collection, document: Document) -> Iterator[str]:
    for path, value in walk(document):
        levels = path.count(".") + 1
        if levels > MAX_DEPTH and isinstance(value, Mapping | list):
            yield f"{path.split('.')[0]} is nested {levels} levels deep or more"


_ABSENT: Final = object()
_STRUCTURE: Final = {
    "arrays": (
        "no array",
        _arrays,
        "An array is replaced whole: of two devices that add to it, one loses.",
        "Make it a MAP, or a collection of its own.",
    ),
    "nulls": (
        "no null",
        _nulls,
        "A null and an absent field differ on devices, and a null in a MAP never goes away.",
        "Remove the field.",
    ),
    "maps": (
        "MAPs are objects with the expected keys",
        _maps,
        "Two devices that edit different keys would overwrite each other.",
        "Restore the object and its keys.",
    ),
    "names": (
        "field names that devices take",
        _names,
        "A name with $, a dot or a leading _ is refused by a device or hidden from its queries.",
        "Rename the field.",
    ),
    "types": (
        "only types that survive the way to a device",
        _types,
        "Dates, Decimal128, binary, NaN and large integers arrive as something else, or not at all.",
        "Store dates as strings, money as doubles, ids as strings.",
    ),
    "depth": (
        f"nested at most {MAX_DEPTH} levels deep",
        _depth,
        "Deeper MAPs are accepted by a device and then stop its app when they are read.",
        "Flatten the document.",
    ),
}


def _sizes(collection: Collection) -> Iterator[Rule]:
    for subject, limit, severity, word in (
        ("size", HARD_SIZE, "error", "under"),
        ("typical-size", TYPICAL_SIZE, "warning", "typically under"),
    ):
        above = {"$expr": {"$gte": [{"$bsonSize": "$$ROOT"}, limit]}}
        yield Rule(
            id=f"crdt.{collection.name}.{subject}",
            title=f"{collection.title}: documents are {word} {limit // 1024} KB",
            severity=severity,  # type: ignore[arg-type]
            check=DocumentTest(collection.name, screen=above, violating=above, why=_size),
            why="A large document is sent whole to every device that subscribes to it.",
            mend="Move what is large into a collection that is not synced.",
        )


def _size(document: Document) -> str:
    largest = max(document, key=lambda name: len(str(document[name])))
    return f"the document is too large; most of it is {largest}"


def _identity(collection: Collection) -> Iterator[Rule]:
    mapping = collection.id_mapping
    flag = collection.soft_delete
    if flag is not None:
        without = {"$expr": {"$ne": [{"$type": f"${flag}"}, "bool"]}}
        yield Rule(
            id=f"crdt.{collection.name}.soft-delete",
            title=f"{collection.title}: every document has the soft-delete flag {flag}",
            check=DocumentTest(
                collection.name,
                screen=without,
                violating=without,
                why=lambda document: f"{flag} is {shorten(document.get(flag, 'missing'))}",
            ),
            why="A hard delete can come back from a device that was offline; the flag cannot.",
            mend=f"Set {flag} to true or false.",
        )
    body = list(mapping.fields) if mapping and mapping.fields else [collection.id_field] if collection.id_field else []
    if body:
        absent = {"$or": [{name: {"$exists": False}} for name in body]}
        yield Rule(
            id=f"crdt.{collection.name}.id-fields",
            title=f"{collection.title}: the body holds {', '.join(map(str, body))}, from which devices make _id",
            check=DocumentTest(
                collection.name, screen=absent, violating=absent, why=lambda _: f"{', '.join(map(str, body))} missing"
            ),
            why="The connector cannot name the document on devices.",
            mend="Restore the id field.",
        )
    parts = list(mapping.fields) if mapping and mapping.fields else ["_id"]
    lengths = [
        {"$cond": [{"$eq": [{"$type": f"${name}"}, "string"]}, {"$strLenBytes": f"${name}"}, 0]} for name in parts
    ]
    heads = sum(len(name) + 4 for name in parts) if len(parts) > 1 else 0
    long = {"$expr": {"$gt": [{"$add": [*lengths, heads]}, MAX_ID_BYTES]}}
    yield Rule(
        id=f"crdt.{collection.name}.id-size",
        title=f"{collection.title}: the device's _id is within Ditto's 256 bytes",
        check=DocumentTest(
            collection.name,
            screen=long,
            violating=long,
            why=lambda document: f"the id is {sum(len(str(document.get(p, '')).encode()) for p in parts)} bytes long",
        ),
        why="A longer _id is refused by devices, and the document never arrives.",
        mend="Shorten the id.",
    )
