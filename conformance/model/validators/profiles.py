"""The two profiles of a collection's validator: what the server refuses when a document is written.

``strict`` is the translation of the schema (server_validator.py): it refuses whatever does not meet the schema.
``connector`` also accepts what devices write legitimately, because a document that the server refuses does not sync:

- a further field, of a newer version of the app;
- null in an optional field;
- a whole double where the schema has an integer;
- a document that is marked as deleted and lacks required fields.

The rules report all of these in either profile. No device writes a collection that is not synced: it is always strict.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, get_args

from conformance.model.collection import Collection, ValidatorProfile
from conformance.model.validators.server_validator import INTEGER_TYPES, Query, difference, validator


def provisioned_validator(collection: Collection, profile: ValidatorProfile | None = None) -> Query:
    """Return the validator that provisioning sets: of the profile given, else of the one that the schema asks for."""
    profile = profile or collection.validator_profile
    return _tolerant(collection) if profile == "connector" and collection.synced else validator(collection)


def profile_of(collection: Collection, found: Mapping[str, Any]) -> ValidatorProfile | None:
    """Return the profile of a validator that the server has; None where it is neither. Both may be the same."""
    profiles: tuple[ValidatorProfile, ...] = get_args(ValidatorProfile)
    return next((one for one in profiles if not difference(provisioned_validator(collection, one), found)), None)


@cache
def _tolerant(collection: Collection) -> Query:
    strict = validator(collection)
    schema = strict["$jsonSchema"]
    relaxed = _relaxed(schema)
    relaxed["properties"]["_id"] = schema["properties"]["_id"]
    complete: Query = {"$jsonSchema": {"required": schema["required"]}}
    flag = collection.soft_delete
    if flag is not None:
        relaxed["required"] = ["_id"]
        return strict | {"$jsonSchema": relaxed, "$or": [{flag: {"$eq": True}}, complete]}
    return strict | {"$jsonSchema": relaxed}


def _relaxed(schema: Query) -> Query:
    """Return the schema of an object, or of a value in one, with the profile's tolerance."""
    relaxed = {keyword: value for keyword, value in schema.items() if keyword not in _REBUILT}
    if "properties" in schema:
        required = schema.get("required", ())
        relaxed["properties"] = {
            name: _relaxed(value) if name in required else _or_null(_relaxed(value))
            for name, value in schema["properties"].items()
        }
    if "patternProperties" in schema:
        patterns = schema["patternProperties"]
        relaxed["patternProperties"] = {name: _or_null(_relaxed(value)) for name, value in patterns.items()}
        relaxed["additionalProperties"] = False
    if "anyOf" in schema:
        relaxed["anyOf"] = [_relaxed(value) for value in schema["anyOf"]]
    if "items" in schema:
        relaxed["items"] = _relaxed(schema["items"])
    if schema.get("bsonType") == INTEGER_TYPES:
        relaxed |= {"bsonType": [*INTEGER_TYPES, "double"], "multipleOf": 1}
    return relaxed


def _or_null(schema: Query) -> Query:
    """Return the schema of a value that may also be null; keywords about other types say nothing about a null."""
    nullable = dict(schema)
    if "bsonType" in schema:
        types: Any = schema["bsonType"]
        nullable["bsonType"] = [*dict.fromkeys([*(types if isinstance(types, list) else [types]), "null"])]
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    if "anyOf" in schema:
        nullable["anyOf"] = [*schema["anyOf"], {"bsonType": "null"}]
    return nullable


_REBUILT: Final = frozenset({"properties", "patternProperties", "additionalProperties", "anyOf", "items"})
