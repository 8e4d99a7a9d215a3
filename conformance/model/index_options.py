"""Options of an index: how a schema declares them, how a server lists them, and when both mean the same."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bson import json_util

from conformance.model.kinds import type_of

#: What ICU assumes of a collation that does not say more than its locale; the version is the server's own.
_COLLATION: Final[Mapping[str, Any]] = {
    "caseLevel": False,
    "caseFirst": "off",
    "strength": 3,
    "numericOrdering": False,
    "alternate": "non-ignorable",
    "maxVariable": "punct",
    "normalization": False,
    "backwards": False,
}
#: Options that a schema can declare, by MongoDB's names; unique and weights are read by themselves.
OPTIONS: Final = (
    "sparse",
    "partialFilterExpression",
    "expireAfterSeconds",
    "collation",
    "hidden",
    "wildcardProjection",
    "default_language",
    "language_override",
    "bits",
    "min",
    "max",
    "clustered",
)
_JSON: Final = json_util.JSONOptions(json_mode=json_util.JSONMode.RELAXED, tz_aware=False, tzinfo=None)


def declared_options(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of an entry of x-indexes; values that JSON lacks are in MongoDB's extended JSON."""
    return {
        option: json_util.loads(json.dumps(entry[option]), json_options=_JSON) for option in OPTIONS if option in entry
    }


def written_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a listed index as an entry of x-indexes has them."""
    kept: dict[str, Any] = {option: options[option] for option in OPTIONS if option in options}
    if "collation" in kept:
        kept["collation"] = stated("collation", kept["collation"])
    written: dict[str, Any] = json.loads(json_util.dumps(kept, json_options=_JSON))
    return written


def stated(option: str, value: Any) -> Any:
    """Return an option's value without what the server adds to a collation, which says no more than the rest."""
    if option != "collation":
        return value
    return {key: one for key, one in dict(value).items() if key != "version" and _COLLATION.get(key) != one}


def unknown_options(options: Mapping[str, Any]) -> list[str]:
    """Return the options that no schema can declare."""
    return sorted(options.keys() - set(OPTIONS))


def same_option(option: str, wanted: Any, found: Any) -> bool:
    """Return whether two values of an option mean the same to the server."""
    if option == "collation":
        return _full_collation(wanted) == _full_collation(found)
    if option == "wildcardProjection":
        return {path: bool(kept) for path, kept in wanted.items()} == {path: bool(kept) for path, kept in found.items()}
    return bool(_comparable(wanted) == _comparable(found))


def _full_collation(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**_COLLATION, **given}.items() if key != "version"}


def _comparable(value: Any) -> Any:
    """Return a value that equals another one only if the server takes both for the same; true is not 1."""
    if isinstance(value, Mapping):
        return {key: _comparable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_comparable(inner) for inner in value]
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return ("bool", value) if isinstance(value, bool) else value


def may_hold(schema: Mapping[str, Any], path: str) -> bool:
    """Return whether documents of the schema may have the indexed path; ``$**`` stands for every field below."""
    return _in_object(schema, path.split("."))


def _in_object(schema: Mapping[str, Any], names: Sequence[str]) -> bool:
    if not names or names[0] == "$**":
        return True
    if names[0] in schema.get("properties", {}):
        return _in_value(schema["properties"][names[0]], names[1:])
    return "patternProperties" in schema or bool(schema.get("additionalProperties"))


def _in_value(schema: Mapping[str, Any], names: Sequence[str]) -> bool:
    if not names or names[0] == "$**":
        return True
    if isinstance(schema.get("x-bson"), list):
        return bool({"object", "array"} & set(schema["x-bson"]))
    if type_of(schema) == "array":
        return _in_value(schema["items"], names[1:] if names[0].isdigit() else names)
    return type_of(schema) == "object" and _in_object(schema, names)
