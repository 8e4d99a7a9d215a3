"""Valid documents that may hold what devices do not merge or store, because the schema is loose there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance.ditto.permissions import CHANGES, load_permissions
from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Field, Model
from conformance.model.kinds import bson_types
from conformance.results import Severity
from conformance.rules.ditto.crdt.names import unfit_name

#: Types whose content the schema does not describe.
_CONTAINERS: Final = frozenset({"array", "object"})
#: By subject, the BSON types that break it.
_SUSPECT: Final[Mapping[str, frozenset[str]]] = {
    "nulls": frozenset({"null"}),
    "types": frozenset({"long", "double", "decimal", "objectId", "date", "timestamp", "binData", "regex"}),
}


def loose_documents(collection: Collection, subject: str) -> list[dict[str, Any]]:
    """Return queries for valid documents that may hold a name or a BSON type of the subject, or anything."""
    if collection.open or any(field.schema.get("additionalProperties") for field in collection.everywhere()):
        return [{}]
    queries: list[dict[str, Any]] = []
    for field in collection.walk():
        if subject == "names" and unfit_name(field.name, field.path):
            queries.append({field.path: {"$exists": True}})
        wanted = [*_loose_types(field, subject)]
        if wanted and field.path != "_id":
            queries.append({field.path: {"$type": wanted}})
    return queries


def _loose_types(field: Field, subject: str) -> Iterator[str]:
    """Yield the BSON types with which a value of the field is looked at."""
    suspect = _SUSPECT.get(subject, frozenset()) | _CONTAINERS
    if field.nullable and "null" in suspect:
        yield "null"
    if isinstance(field.schema.get("x-bson"), list):
        yield from (name for name in field.schema["x-bson"] if name in suspect)
    elif field.kind == "objectid" and "objectId" in suspect:
        yield "objectId"
    elif field.kind == "list":
        yield "array"
    elif field.kind == "dictionary" and field.element is not None:
        below = list(field.element.everywhere())
        if any(_loose_types_of_one(one, subject) for one in below):
            yield "object"


def _loose_types_of_one(field: Field, subject: str) -> bool:
    return bool({*_loose_types(field, subject)}) or (subject == "names" and unfit_name(field.name, field.path))


def array_severity(model: Model, collection: Collection) -> tuple[Severity, str]:
    """Return how severe an array is: a warning where the schema has it and no permission lets devices change it.

    Devices replace an array whole. That loses a change only if devices change it; without permissions they may.
    """
    declared = any("array" in bson_types(field.schema) for field in collection.everywhere())
    try:
        grants = load_permissions(model).of(collection.name)
    except ConfigurationError:
        return "error", ""
    if not declared or any(grant.grants(operation) for grant in grants for operation in CHANGES):
        return "error", ""
    return "warning", "no permission lets a device change the collection, so no change is lost"
