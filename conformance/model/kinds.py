"""Field kinds: the few shapes a value can have, and the exact tests that every oracle shares.

A kind is decided once, from the schema of a field, and every reading of the field (oracle, server validator,
strategy, sampler, documentation) dispatches on it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeGuard

Kind = Literal[
    "objectid",
    "bson",
    "uuid",
    "timestamp",
    "money",
    "enum",
    "scalar",
    "map",
    "dictionary",
    "vector",
    "list",
    "string",
    "integer",
    "number",
    "boolean",
]

#: Largest integer that every device represents exactly (JavaScript's Number.MAX_SAFE_INTEGER).
MAX_INTEGER: Final = 2**53 - 1
#: Largest finite double: a bound that infinities and NaN do not meet.
MAX_NUMBER: Final = 1.7976931348623157e308
#: Largest money value whose cents every device represents exactly.
MAX_MONEY: Final = MAX_INTEGER / 100
#: Beyond this the doubles are too coarse for |100x - round(100x)| < 1e-6 to hold for every amount of whole cents.
MAX_EXACT_MONEY: Final = 10_000_000.0

#: Absolute end of the text. `$` also matches before a final line feed in Python and in PCRE, not in ECMA.
_END: Final = r"(?![\s\S])"

#: Real calendar days, leap years included, as one expression, so that the server can test it too.
_INSTANT: Final = (
    r"^(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
)
TIMESTAMP_PATTERN: Final = _INSTANT + "Z" + _END
MILLISECOND_PATTERN: Final = _INSTANT + r"\.[0-9]{3}Z" + _END
#: The value of x-timestamp for times with three digits of a second.
MILLISECONDS: Final = "milliseconds"
UUID4_PATTERN: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}" + _END

_TIMESTAMP = re.compile(TIMESTAMP_PATTERN)
_MILLISECOND = re.compile(MILLISECOND_PATTERN)
_UUID4 = re.compile(UUID4_PATTERN)


def kind_of(schema: Mapping[str, Any]) -> Kind:
    """Return the kind of a field, from its JSON Schema (already accepted by the vocabulary)."""
    if isinstance(schema.get("x-bson"), list):
        return "bson"
    for keyword, kind in _MARKED.items():
        if keyword in schema:
            return kind
    declared = type_of(schema)
    if isinstance(declared, list):
        return "scalar"
    if declared == "array":
        is_vector = schema["items"].get("type") == "number" and {"minItems", "maxItems"} <= schema.keys()
        return "vector" if is_vector else "list"
    if declared == "object":
        return "map" if "properties" in schema else "dictionary"
    return _TYPES[declared]


def takes_null(schema: Mapping[str, Any]) -> bool:
    """Return True for a field of objects or of arrays that may also be null, which a list of both types declares."""
    return isinstance(schema.get("type"), list) and "null" in schema["type"]


def type_of(schema: Mapping[str, Any]) -> Any:
    """Return the JSON type of a field without null: a name, a list for a scalar of several, None beside x-bson."""
    declared: Any = schema.get("type")
    return next(name for name in declared if name != "null") if takes_null(schema) else declared


def bson_types(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the BSON types that a value with this schema may have."""
    if "x-bson" in schema:
        declared = schema["x-bson"]
        return frozenset([declared] if isinstance(declared, str) else declared)
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return frozenset().union(*(_BSON_TYPES[name] for name in names))


_BSON_TYPES: Final[dict[str, frozenset[str]]] = {
    "string": frozenset({"string"}),
    "integer": frozenset({"int", "long"}),
    "number": frozenset({"int", "long", "double"}),
    "boolean": frozenset({"bool"}),
    "object": frozenset({"object"}),
    "array": frozenset({"array"}),
    "null": frozenset({"null"}),
}
_MARKED: Final[dict[str, Kind]] = {
    "x-bson": "objectid",
    "x-uuid": "uuid",
    "x-timestamp": "timestamp",
    "x-money": "money",
    "enum": "enum",
}
_TYPES: Final[dict[str, Kind]] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}


def portable_pattern(pattern: str) -> str:
    """Return the schema's (ECMA) pattern as Python and PCRE must be given it: a final `$` means the very end."""
    return pattern[:-1] + _END if pattern.endswith("$") else pattern


def is_timestamp(value: object, form: object = True) -> bool:
    """Return True for a string that is a real instant, ``YYYY-MM-DDTHH:MM:SSZ``; ``form`` is that of x-timestamp."""
    pattern = _MILLISECOND if form == MILLISECONDS else _TIMESTAMP
    return isinstance(value, str) and pattern.match(value) is not None


def timestamp_pattern(schema: Mapping[str, Any]) -> str:
    """Return the pattern of a field of kind timestamp."""
    return MILLISECOND_PATTERN if schema["x-timestamp"] == MILLISECONDS else TIMESTAMP_PATTERN


def timestamp_form(schema: Mapping[str, Any]) -> str:
    """Return the form of a field of kind timestamp in words."""
    return "YYYY-MM-DDTHH:MM:SS.mmmZ" if schema["x-timestamp"] == MILLISECONDS else "YYYY-MM-DDTHH:MM:SSZ"


def timestamp_of(time: dt.datetime, schema: Mapping[str, Any]) -> str:
    """Return an instant in UTC as a value of a field of kind timestamp."""
    milliseconds = f".{time.microsecond // 1000:03}" if schema["x-timestamp"] == MILLISECONDS else ""
    return f"{time:%Y-%m-%dT%H:%M:%S}{milliseconds}Z"


def is_uuid4(value: object) -> bool:
    """Return True for a UUID of version 4 written with hyphens, in either case."""
    return isinstance(value, str) and _UUID4.match(value) is not None


def is_number(value: object) -> TypeGuard[int | float]:
    """Return True for a finite float, and for an int that every device represents exactly; booleans are not numbers."""
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def is_integer(value: object) -> bool:
    """Return True for an int that every device represents exactly; 5.0 is not one (BSON tells them apart)."""
    return isinstance(value, int) and not isinstance(value, bool) and -MAX_INTEGER <= value <= MAX_INTEGER


def is_money(value: object) -> bool:
    """Return True for whole cents, ``|100x - round(100x)| < 1e-6``; its BSON type is int, long or double.

    JavaScript devices write 25.0 as an integer.
    """
    if not is_number(value) or not -MAX_MONEY <= value <= MAX_MONEY:
        return False
    return abs(100 * value - round(100 * value)) < 1e-6
