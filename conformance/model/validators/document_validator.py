"""The Python oracle: `jsonschema` with the vocabulary's own keywords, used to explain single documents."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from bson import Code
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from conformance.model.kinds import (
    MAX_INTEGER,
    is_integer,
    is_money,
    is_number,
    is_timestamp,
    is_uuid4,
    portable_pattern,
    timestamp_form,
)
from conformance.model.paths import shown, steps
from conformance.text.rendering import bson_type, named, shorten

if TYPE_CHECKING:
    from conformance.model.collection import Collection


@dataclass(frozen=True)
class Breach:
    """One broken rule of a schema: the place, the keyword that broke, and the value in short.

    ``field`` is the top-level field; ``path`` shows the place for people, such as ``items[3].qty``.
    """

    path: str
    keyword: str
    message: str

    @property
    def field(self) -> str:
        """The top-level field that the place is in."""
        return steps(self.path)[0] if self.path else ""


def breaches(collection: Collection, document: Mapping[str, Any]) -> list[Breach]:
    """Everything wrong with a document, in the order of its paths; empty when it conforms.

    A value of the wrong type breaks `type` alone: what its bounds or its enum would say follows from that.
    """
    found = [_breach(error) for error in _validator(collection).iter_errors(document)]
    mistyped = {breach.path for breach in found if breach.keyword == "type"}
    reported = (breach for breach in found if breach.keyword == "type" or breach.path not in mistyped)
    return sorted(reported, key=lambda breach: (breach.path, breach.keyword))


def conforms(collection: Collection, document: Mapping[str, Any]) -> bool:
    """Return True when the document meets its schema, `x-` keywords included."""
    return bool(_validator(collection).is_valid(document))


def fits(schema: Mapping[str, Any], value: object) -> bool:
    """Return True when a value meets the schema of a field."""
    return fitting(schema)(value)


def fitting(schema: Mapping[str, Any]) -> Callable[[object], bool]:
    """Return a test of whether a value meets the schema of a field; quicker than `fits` for many values."""
    return _DialectValidator(schema).is_valid  # type: ignore[no-any-return]


def _breach(error: ValidationError) -> Breach:
    parts = list(error.absolute_path)
    path, keyword = shown(parts), str(error.validator)
    if keyword == "required":
        return Breach(path, keyword, "is missing")
    if keyword == "additionalProperties":
        schema: Any = error.schema
        instance: Any = error.instance
        known = set(schema.get("properties", ()))
        patterns = [re.compile(portable_pattern(p)) for p in schema.get("patternProperties", ())]
        extra = sorted(k for k in instance if k not in known and not any(p.search(k) for p in patterns))
        return Breach(
            shown([*parts, extra[0]]),
            keyword,
            f"is not defined in the schema (extra: {', '.join(map(named, extra))})",
        )
    if keyword == "type" and (why := _beyond(error.instance)):
        return Breach(path, keyword, f"{shorten(error.instance)} {why}")
    if keyword == "x-timestamp":
        form = timestamp_form({keyword: error.validator_value})
        return Breach(path, keyword, f"{shorten(error.instance)} is not a valid UTC time in the form {form}")
    return Breach(path, keyword, f"{shorten(error.instance)} {_MEANING.get(keyword, 'breaks')} {_limit(error)}".strip())


def _beyond(value: object) -> str | None:
    """Return why a number of the right BSON type is none that devices keep."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INTEGER:
        return f"is beyond {MAX_INTEGER}, the largest integer that devices store exactly"
    return None


def _limit(error: ValidationError) -> str:
    keyword = str(error.validator)
    if keyword == "type":
        names = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        *others, last = dict.fromkeys(kind for name in names for kind in _BSON_TYPES.get(str(name), (str(name),)))
        return f"{', '.join(others)} or {last}" if others else last
    if keyword == "x-bson":
        wanted = error.validator_value
        return wanted if isinstance(wanted, str) else " or ".join(map(str, wanted))  # type: ignore[arg-type]
    return "" if keyword.startswith("x-") else shorten(error.validator_value, 80)


#: The types of a schema as BSON names them.
_BSON_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "integer": ("int", "long"),
    "number": ("int", "long", "double"),
    "boolean": ("bool",),
}


_MEANING: Final[dict[str, str]] = {
    "type": "is not of type",
    "enum": "is not one of",
    "pattern": "does not match",
    "minimum": "is below",
    "maximum": "is above",
    "exclusiveMinimum": "is not above",
    "exclusiveMaximum": "is not below",
    "minLength": "is shorter than",
    "maxLength": "is longer than",
    "minItems": "has fewer items than",
    "maxItems": "has more items than",
    "minProperties": "has fewer keys than",
    "maxProperties": "has more keys than",
    "x-money": "is not a number of whole cents",
    "x-uuid": "is not a UUID of version 4",
    "x-bson": "is not of type",
}

Errors = Iterator[ValidationError]


def _holds(test: Callable[[object], bool], keyword: str) -> Callable[..., Errors]:
    def check(_validator: object, _value: object, instance: object, _schema: object) -> Errors:
        if not test(instance):
            yield ValidationError(f"{instance!r} breaks {keyword}")

    return check


def _timestamp(_validator: object, form: object, instance: object, _schema: object) -> Errors:
    if not is_timestamp(instance, form):
        yield ValidationError(f"{instance!r} breaks x-timestamp")


def _bson(_validator: object, wanted: str | list[str], instance: object, _schema: object) -> Errors:
    if bson_type(instance) not in ([wanted] if isinstance(wanted, str) else wanted):
        yield ValidationError(f"{instance!r} breaks x-bson")


def _required(_validator: object, names: list[str], instance: object, _schema: object) -> Errors:
    if isinstance(instance, Mapping):
        # The error stands at the field that is missing, not at the object without it.
        yield from (ValidationError("is missing", path=(name,)) for name in names if name not in instance)


def _pattern(_validator: object, pattern: str, instance: object, schema: Mapping[str, Any]) -> Errors:
    # A text beyond maxLength is a breach already; patterns are only known to be fast up to there.
    if (
        isinstance(instance, str)
        and len(instance) <= schema.get("maxLength", math.inf)
        and not re.search(portable_pattern(pattern), instance)
    ):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: object, _schema: object) -> Errors:
    if not isinstance(instance, Mapping):
        return
    for pattern, subschema in patterns.items():
        for key, value in instance.items():
            if re.search(portable_pattern(pattern), key):
                yield from validator.descend(value, subschema, path=key, schema_path=pattern)


def _additional_properties(_validator: Any, allowed: bool, instance: object, schema: Mapping[str, Any]) -> Errors:
    if allowed or not isinstance(instance, Mapping):
        return
    known = schema.get("properties", {})
    patterns = [portable_pattern(p) for p in schema.get("patternProperties", ())]
    if any(key not in known and not any(re.search(p, key) for p in patterns) for key in instance):
        yield ValidationError("additional properties are not allowed")


def _items(validator: Any, items: Mapping[str, Any], instance: object, _schema: object) -> Errors:
    if not isinstance(instance, list):
        return
    number = items == {"type": "number"}
    for position, item in enumerate(instance):
        # Vectors have hundreds of items. A finite double is a number, and needs no validator of its own.
        if not (number and type(item) is float and math.isfinite(item)):
            yield from validator.descend(item, items, path=position)


_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {
        "integer": lambda _checker, value: is_integer(value),
        "number": lambda _checker, value: is_number(value),
        "object": lambda _checker, value: isinstance(value, Mapping),
        # BSON's JavaScript code arrives as a kind of str.
        "string": lambda _checker, value: isinstance(value, str) and not isinstance(value, Code),
    }
)
_DialectValidator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "required": _required,
        "items": _items,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "x-money": _holds(is_money, "x-money"),
        "x-timestamp": _timestamp,
        "x-uuid": _holds(is_uuid4, "x-uuid"),
        "x-bson": _bson,
    },
    type_checker=_TYPES,
)


@cache
def _validator(collection: Collection) -> Any:
    return _DialectValidator(dict(collection.schema))
