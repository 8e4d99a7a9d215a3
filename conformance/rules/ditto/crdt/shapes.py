"""Family crdt: the shapes that merge on devices without loss.

A document that meets its schema can break the structural rules only where the schema is loose: at a field of several
BSON types (`x-bson`), an array, an ObjectId outside _id, or in an open document or MAP. So only documents that do not
meet their schema are read and walked here, and those with such a value; of an open collection all are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import NoneType
from typing import Any, Final

from bson import ObjectId

from conformance.checks.base import Context, Document, Rule, answer, listed
from conformance.checks.document_scan import DocumentTest, first
from conformance.checks.walk import walk
from conformance.config.configuration import Configuration
from conformance.model.collection import Collection, Field, Model
from conformance.model.kinds import MAX_INTEGER
from conformance.model.paths import ELEMENTS, values_at
from conformance.model.validators.server_validator import validator
from conformance.results import Outcome, Sample
from conformance.rules.ditto.crdt.expiry import expiry
from conformance.rules.ditto.crdt.loose_schemas import array_severity, loose_documents
from conformance.rules.ditto.crdt.names import collection_name, unfit_names
from conformance.rules.ditto.sync.ejson_queries import collections_in_ejson, without_form
from conformance.text.paths import value_at
from conformance.text.rendering import MISSING, shorten

TYPICAL_SIZE: Final = 100 * 1024
HARD_SIZE: Final = 500 * 1024
#: Ditto accepts MAPs nested deeper than this and aborts the process when they are read (02-data-model).
MAX_DEPTH: Final = 29
#: Ditto takes an _id of up to 256 serialised bytes; text of this length has a head of at most two more.
MAX_ID_BYTES: Final = 254


def rules(model: Model, _: Configuration) -> Iterator[Rule]:
    """Yield the rules of every synced collection; a collection that never reaches a device has none."""
    in_ejson = collections_in_ejson(model)
    for collection in model:
        if collection.synced:
            yield from collection_name(collection)
            yield from expiry(collection)
            yield from _structure(model, collection, ejson=collection.name in in_ejson)
            yield from _sizes(collection)
            yield from _identity(collection)


def _structure(model: Model, collection: Collection, *, ejson: bool) -> Iterator[Rule]:
    unfit = {"$nor": [validator(collection)]}
    for subject, (title, find, why, fix) in _STRUCTURE.items():
        if subject == "maps" and not _maps_of(collection):
            continue
        loose = loose_documents(collection, subject)
        severity, note = array_severity(model, collection) if subject == "arrays" else ("error", "")
        screen = {"$or": [unfit, *loose]} if loose else unfit
        every = partial(without_form if ejson and subject == "types" else find, collection)
        yield Rule(
            id=f"crdt.{collection.name}.{subject}",
            title=f"{collection.title}: {title}",
            check=DocumentTest(collection.name, screen=screen, why=first(every), every=every),
            why=why,
            fix=fix,
            severity=severity,
            note=note,
        )


def _arrays(_: Collection, document: Document) -> Iterator[str]:
    for one in walk(document):
        if isinstance(one.value, list):
            yield f"{one.path} is an array of length {len(one.value)}"


def _nulls(_: Collection, document: Document) -> Iterator[str]:
    for one in walk(document):
        if one.value is None:
            yield f"{one.path} is null"


def _maps(collection: Collection, document: Document) -> Iterator[str]:
    for field in _maps_of(collection):
        for place, value in values_at(document, field.path):
            if not isinstance(value, Mapping):
                if value is not None or not field.nullable:  # the rule on nulls reports a null that the schema allows
                    yield f"{place} is {shorten(value)}, not a MAP"
            elif field.kind == "map":
                missing = [child.name for child in field.children if child.required and child.name not in value]
                is_open = field.schema["additionalProperties"]
                extra = [] if is_open else sorted(value.keys() - {child.name for child in field.children})
                if missing or extra:
                    keys = (("lacks the keys", missing), ("has the undeclared keys", extra))
                    yield f"{place} " + " and ".join(f"{what} {shorten(names, 200)}" for what, names in keys if names)


def _maps_of(collection: Collection) -> list[Field]:
    """Return the objects that devices merge by key: not those in an array, which is replaced whole."""
    return [f for f in collection.everywhere() if f.kind in ("map", "dictionary") and ELEMENTS not in f.path]


def _types(_: Collection, document: Document) -> Iterator[str]:
    for one in walk(document):
        value = one.value
        if type(value) in (bool, str, list, NoneType) or isinstance(value, Mapping):
            continue
        if isinstance(value, ObjectId) and one.path == "_id":
            continue
        if isinstance(value, float):
            if not math.isfinite(value):
                yield f"{one.path} is {shorten(value)}"
        elif not isinstance(value, int) or not -MAX_INTEGER <= value <= MAX_INTEGER:
            yield f"{one.path} is {shorten(value)}"


def _depth(_: Collection, document: Document) -> Iterator[str]:
    for one in walk(document):
        if one.depth > MAX_DEPTH and isinstance(one.value, Mapping | list):
            yield f"{one.path.split('.')[0]} is nested {one.depth} levels deep or more"


#: Kinds whose values are never longer than this many bytes.
_SHORT_KINDS: Final = frozenset({"objectid", "uuid", "timestamp", "integer", "boolean"})
_SHORT: Final = 36
#: Bytes of one character at most.
_UTF8: Final = 4
_STRUCTURE: Final = {
    "arrays": (
        "no document contains an array",
        _arrays,
        "Ditto replaces an array as a whole: if two devices append concurrently, one change is lost.",
        "Change the array to an object (MAP) keyed by id, or move its items to a collection of their own.",
    ),
    "nulls": (
        "no value is null",
        _nulls,
        "Devices distinguish null from an absent field, and a null in a MAP can never be removed.",
        "Remove the field from the document.",
    ),
    "maps": (
        "every MAP is an object with the declared keys",
        _maps,
        "If the value is not an object, two devices that edit different keys overwrite each other.",
        "Restore the object with its declared keys.",
    ),
    "names": (
        "every field name can be synced both ways",
        unfit_names,
        "Devices store such a name, but a MongoDB update cannot set a path with a dot, a leading $ or an empty name, so"
        " a device's change of it is not written; a leading _ can clash with Ditto's own fields.",
        "Rename the field.",
    ),
    "types": (
        "every value has a type that devices can store",
        _types,
        "Dates, Decimal128, binary data, NaN and large integers are changed or lost on the way to devices.",
        "Store dates and ids as strings, and money as numbers.",
    ),
    "depth": (
        f"no document is nested more than {MAX_DEPTH} levels deep",
        _depth,
        "Ditto accepts deeper objects, but the app crashes when it reads them.",
        "Flatten the document to fewer levels.",
    ),
}


def _sizes(collection: Collection) -> Iterator[Rule]:
    suspicious = _at_least(TYPICAL_SIZE)
    for subject, limit, severity, word in (
        ("size", HARD_SIZE, "error", "smaller"),
        ("typical-size", TYPICAL_SIZE, "warning", "typically smaller"),
    ):
        yield Rule(
            id=f"crdt.{collection.name}.{subject}",
            title=f"{collection.title}: documents are {word} than {limit // 1024} KB",
            severity=severity,  # type: ignore[arg-type]
            check=DocumentTest(collection.name, screen=suspicious, violating=_at_least(limit), why=_size),
            why="A large document is sent as a whole to every device that subscribes to it.",
            fix="Move the large fields into a collection that is not synced.",
        )


def _at_least(size: int) -> dict[str, Any]:
    return {"$expr": {"$gte": [{"$bsonSize": "$$ROOT"}, size]}}


def _most_bytes(field: Field) -> float:
    """Return how long a value of the field that meets its schema can be; infinite where the schema does not say."""
    if field.kind in _SHORT_KINDS:
        return _SHORT
    return _UTF8 * float(field.schema.get("maxLength", math.inf))


def _size(document: Document) -> str:
    largest = max(document, key=lambda name: len(str(document[name])))
    return f"the document is too large; its largest field is {largest}"


def _no_flag(collection: Collection) -> Callable[[Context], Outcome]:
    problem = Sample(
        "the collection is synced, but its schema has no x-soft-delete", ref=f"schemas/{collection.name}.json"
    )
    return lambda context: listed(context, 1, [problem])


def _identity(collection: Collection) -> Iterator[Rule]:
    """Yield the rules on ids; where the schema excludes the fault, they share the scan for invalid documents."""
    unfit = {"$nor": [validator(collection)]}
    mapping = collection.id_mapping
    flag = collection.soft_delete
    if flag is not None:
        without = {"$expr": {"$ne": [{"$type": f"${flag}"}, "bool"]}}
        yield Rule(
            id=f"crdt.{collection.name}.soft-delete",
            title=f"{collection.title}: every document has the soft-delete flag {flag}",
            check=DocumentTest(
                collection.name,
                screen=unfit,
                violating=without,
                why=lambda document: f"{flag} is {shorten(document.get(flag, MISSING))}",
            ),
            why="A device that was offline can restore a hard-deleted document, but not one that is marked as deleted.",
            fix=f"Set {flag} to true or false in every document.",
        )
    else:
        yield Rule(
            id=f"crdt.{collection.name}.soft-delete",
            title=f"{collection.title}: every document has a soft-delete flag",
            check=answer(_no_flag(collection)),
            why="A device that was offline can restore a hard-deleted document, but not one that is marked as deleted.",
            fix="Add a required boolean field to the schema, name it in x-soft-delete, and set it to false in all"
            " documents.",
        )
    own = [collection.id_field] if collection.id_field else collection.id_parts
    body = mapping.fields if mapping and mapping.fields else own
    if body:
        absent = {"$or": [{name: {"$exists": False}} for name in body]}
        yield Rule(
            id=f"crdt.{collection.name}.id-fields",
            title=f"{collection.title}: every document has {', '.join(map(str, body))}, from which the connector makes"
            " Ditto's _id",
            check=DocumentTest(
                collection.name,
                screen=unfit if all(collection.field(name).required for name in body) else absent,
                violating=absent,
                why=lambda _: f"{', '.join(map(str, body))} is missing",
            ),
            why="The connector cannot make an _id, so the document never reaches a device.",
            fix="Restore the id field in the document.",
        )
    parts = collection.id_paths
    lengths = [
        {"$cond": [{"$eq": [{"$type": f"${name}"}, "string"]}, {"$strLenBytes": f"${name}"}, 0]} for name in parts
    ]
    is_object = len(parts) > 1 or parts[0].startswith("_id.")
    heads = sum(len(name.removeprefix("_id.")) + 4 for name in parts) if is_object else 0
    long = {"$expr": {"$gt": [{"$add": [*lengths, heads]}, MAX_ID_BYTES]}}
    fits = sum(_most_bytes(collection.field(name)) for name in parts) + heads <= MAX_ID_BYTES
    yield Rule(
        id=f"crdt.{collection.name}.id-size",
        title=f"{collection.title}: the _id on devices is at most 256 bytes long, Ditto's limit",
        check=DocumentTest(
            collection.name,
            screen=unfit if fits else long,
            violating=long,
            why=lambda document: (
                f"the id is {heads + sum(len(str(value_at(document, p) or '').encode()) for p in parts)} bytes long"
            ),
        ),
        why="Devices reject a longer _id, so the document never arrives.",
        fix="Shorten the id of the document.",
    )
