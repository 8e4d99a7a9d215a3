"""A model whose objects, arrays and maps may also be null, at every depth, and the keys that they refer to."""

from __future__ import annotations

from typing import Any, Final

from tests.models import collection_of

CODE: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Z]{2}[0-9]{3}$"}
PLACE: Final[dict[str, Any]] = {
    "type": ["object", "null"], "x-crdt": "map", "additionalProperties": False, "required": ["city", "fee"],
    "properties": {
        "city": {**CODE, "x-reference": "cities.code"},
        "fee": {"type": "number", "x-money": True, "minimum": 0, "maximum": 90},
        "at": {"type": "string", "x-timestamp": True},
        "key": {"type": "string", "minLength": 1, "maxLength": 12, "x-unique": True},
        "geo": {
            "type": ["null", "object"], "x-crdt": "register", "additionalProperties": False, "required": ["lat"],
            "properties": {"lat": {"type": "number", "minimum": -90, "maximum": 90}, "note": {"type": "string"}},
        },
    },
}  # fmt: skip
LINES: Final[dict[str, Any]] = {
    "type": ["array", "null"], "minItems": 1, "maxItems": 4,
    "items": {
        "type": ["object", "null"], "additionalProperties": False, "required": ["city"],
        "properties": {
            "city": {**CODE, "x-reference": "cities.code"},
            "price": {"type": "number", "x-money": True},
            "tags": {"type": ["null", "array"], "maxItems": 2, "items": {"type": "string", "maxLength": 5}},
        },
    },
}  # fmt: skip
BOOK: Final[dict[str, Any]] = {
    "type": ["object", "null"], "x-crdt": "map", "additionalProperties": False, "minProperties": 1, "maxProperties": 5,
    "patternProperties": {"^[a-z]{1,4}$": {
        "type": ["object", "null"], "x-crdt": "map", "additionalProperties": False, "required": ["sum"],
        "properties": {"sum": {"type": "number", "x-money": True}, "city": {**CODE, "x-reference": "cities.code"}},
    }},
}  # fmt: skip
SCHEMAS: Final[dict[str, Any]] = {
    "cities": collection_of({"code": {**CODE, "x-unique": True}}, cardinality={"exactly": 40}),
    "things": collection_of({"place": PLACE, "lines": LINES, "book": BOOK}, optional=["lines"]),
}
