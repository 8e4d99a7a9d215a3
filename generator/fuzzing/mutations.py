"""Mutations: every way in which one value of a valid document can break exactly one rule of its schema.

Each says the path and the keyword that it breaks; that is the intent which the oracles are held to. Nothing here
asks an oracle: patterns are matched by their own text, bounds compared one by one.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count, islice, product
from typing import Any, Final

from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from conformance.model.collection import Collection
from conformance.model.kinds import MAX_INTEGER, MILLISECONDS, Kind, bson_types, is_timestamp, kind_of
from conformance.model.paths import shown
from conformance.model.validators.document_validator import Breach
from conformance.text.rendering import bson_type, shorten
from generator.fuzzing.edits import constant, replaced, with_field, without_field
from generator.fuzzing.near_misses import NEARLY, TIMESTAMPS, UUIDS

Document = dict[str, Any]
Schema = Mapping[str, Any]
Place = tuple[str | int, ...]
#: Place below the value (empty: itself), keyword, and functions that make the description and the whole broken value.
Broken = tuple[Place, str, Callable[[], str], Callable[[], Any]]


@dataclass(frozen=True)
class Mutation:
    """One broken rule, and how to make the document that breaks it."""

    place: Place
    keyword: str
    message: Callable[[], str]
    document: Callable[[], Document]

    @property
    def breach(self) -> Breach:
        """Return the broken rule; made when asked for, because most mutations are not drawn."""
        return Breach(shown(self.place), self.keyword, self.message())


def mutations(collection: Collection, document: Document) -> Iterator[Mutation]:
    """Every mutation of a valid document, which itself stays as it is."""
    return (Mutation(*broken) for broken in _object(collection.schema, document))


# -- objects ----------------------------------------------------------------------------------------------------------

#: Names no schema has: plain, with a dot, with a dollar, empty, of an operator, with a line feed, beyond ASCII.
_EXTRA: Final = ("zz_extra", "zz.extra", "$zz", "", "$where", "zz\n", "_zz", "zž")


def _object(schema: Schema, old: Document) -> Iterator[Broken]:
    """Yield a document or a MAP with fixed keys: one missing, one too many, or one of them broken."""
    for name in schema.get("required", ()):
        yield (name,), "required", constant("is missing"), without_field(old, name)
    for name in () if schema["additionalProperties"] else _EXTRA:
        yield (name,), "additionalProperties", constant("is not in the schema"), with_field(old, name, lambda: 1)
    for field, inner in schema["properties"].items():
        if field in old:
            for parts, keyword, message, make in _broken(kind_of(inner), inner, old[field]):
                yield (field, *parts), keyword, message, with_field(old, field, make)


def _broken(kind: Kind, schema: Schema, old: Any) -> Iterator[Broken]:
    return chain(_wrong_types(schema), () if old is None else _BREAKERS[kind](schema, old))


def _dictionary(schema: Schema, old: Document) -> Iterator[Broken]:
    ((pattern, inner),) = schema["patternProperties"].items()
    fewest, most = schema.get("minProperties", 0), schema.get("maxProperties", math.inf)
    if fewest:
        yield _itself("minProperties", dict(islice(old.items(), fewest - 1)))
    if most < math.inf:
        filler = next(iter(old.values()), None)
        keys = dict.fromkeys(chain(old, _keys_like(pattern, int(most) + 1)))
        if filler is not None and len(keys) > most:
            yield _itself("maxProperties", {key: old.get(key, filler) for key in islice(keys, int(most) + 1)})
    if old:
        first, value = next(iter(old.items()))
        others = {key: kept for key, kept in old.items() if key != first}
        for key in (*_EXTRA, f"{first}\n", f" {first}", f"{first}.{first}", f"${first}"):
            if not _matches(pattern, key):
                yield (
                    (key,),
                    "additionalProperties",
                    constant("is no such key"),
                    with_field(others, key, constant(value)),
                )
        for parts, keyword, message, make in _broken(kind_of(inner), inner, value):
            yield (first, *parts), keyword, message, with_field(old, first, make)


def _keys_like(pattern: str, wanted: int) -> Iterator[str]:
    texts = ("".join(word) for size in range(1, 4) for word in product("abcdefghijklmnopqrstuvwxyz", repeat=size))
    return islice((text for text in texts if _matches(pattern, text)), wanted)


def _array(schema: Schema, old: list[Any]) -> Iterator[Broken]:
    inner, most = schema["items"], schema.get("maxItems", math.inf)
    if schema.get("minItems"):
        yield _itself("minItems", old[: schema["minItems"] - 1])
    if old and most < math.inf:
        yield _itself("maxItems", (old * (most // len(old) + 1))[: most + 1])
    for at in sorted({0, len(old) - 1}) if old else ():
        for parts, keyword, message, make in _broken(kind_of(inner), inner, old[at]):
            yield (at, *parts), keyword, message, replaced(old, at, make)


# -- types ------------------------------------------------------------------------------------------------------------

#: A value of each BSON type that a document may hold, by MongoDB's name of the type.
_OF_TYPE: Final[tuple[tuple[str, Any], ...]] = (
    ("null", None),
    ("array", []),
    ("array", ["2024-01-31T10:00:00Z"]),
    ("object", {}),
    ("object", {"zz": 1}),
    ("decimal", Decimal128("19.99")),
    ("date", dt.datetime(2024, 1, 31, 10, tzinfo=dt.UTC)),
    ("objectId", ObjectId("65b9d8f0a1b2c3d4e5f60718")),
    ("binData", b"\x00\xff"),
    ("uuid", Binary(bytes(range(16)), 4)),
    ("timestamp", Timestamp(1706695200, 1)),
    ("regex", Regex("^a$")),
    ("javascript", Code("return 1")),
    ("minKey", MinKey()),
    ("maxKey", MaxKey()),
    ("bool", True),
    ("bool", False),
    ("int", 1),
    ("long", Int64(1)),
    ("double", 1.0),
    ("nan", math.nan),
    ("inf", math.inf),
    ("inf", -math.inf),
    ("huge", MAX_INTEGER + 1),
    ("huge", -MAX_INTEGER - 1),
    ("huge", 2**63 - 1),
    ("huge", -(2**63)),
    ("string", ""),
    ("string", "1"),
    ("string", "true"),
)


def _wrong_types(schema: Schema) -> Iterator[Broken]:
    taken = bson_types(schema)
    if "x-bson" in schema:
        return (_itself("x-bson", value) for _, value in _OF_TYPE if bson_type(value) not in taken)
    return (_itself("type", value) for name, value in _OF_TYPE if name not in taken)


# -- texts ------------------------------------------------------------------------------------------------------------


def _matches(pattern: str, text: str) -> bool:
    """By the pattern's own text, without its anchors: the whole of the value and nothing else."""
    return re.fullmatch(pattern[1:-1], text) is not None


def _text(schema: Schema, old: Any) -> Iterator[Broken]:
    if not isinstance(old, str):
        return
    pattern = schema.get("pattern", "^[\\s\\S]*$")
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if shortest and _matches(pattern, old[: shortest - 1]):
        yield _itself("minLength", old[: shortest - 1])
    if longest < math.inf:
        for text in islice(_stretched(pattern, old, int(longest) + 1), 3):
            yield _itself("maxLength", text)
    nearly = dict.fromkeys(alter(old) for alter in NEARLY)
    for text in nearly:
        if shortest <= len(text) <= longest and not _matches(pattern, text):
            yield _itself("pattern", text)


def _stretched(pattern: str, old: str, length: int) -> Iterator[str]:
    """Texts of just that many characters, by repeating one character of the old where the pattern lets it be."""
    for letter in ("\N{COMBINING ACUTE ACCENT}", "\N{GRINNING FACE}"):
        if _matches(pattern, text := old + letter * (length - len(old))):
            yield text
    for position, letter in enumerate(old or "x"):
        text = old[:position] + letter * (length - len(old)) + old[position:]
        if _matches(pattern, text):
            yield text


def _uuid(_: Schema, old: str) -> Iterator[Broken]:
    return (_itself("x-uuid", alter(old)) for alter in UUIDS)


def _timestamp(schema: Schema, _: str) -> Iterator[Broken]:
    form = schema["x-timestamp"]
    precise = (*(text.replace("Z", ".000Z") for text in TIMESTAMPS), "2024-01-31T10:00:00Z", "2024-01-31T10:00:00.00Z")
    texts = precise if form == MILLISECONDS else TIMESTAMPS
    return (_itself("x-timestamp", text) for text in texts if not is_timestamp(text, form))


def _enum(schema: Schema, _: Any) -> Iterator[Broken]:
    known = schema["enum"]
    if schema["type"] == "integer":
        others: list[Any] = [max(known) + 1, min(known) - 1, next(n for n in count() if n not in known)]
    else:
        others = [alter(known[0]) for alter in NEARLY]
    return (_itself("enum", value) for value in dict.fromkeys(others) if value not in known)


# -- numbers ----------------------------------------------------------------------------------------------------------

_BOUNDS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "minimum": lambda value, bound: value < bound,
    "maximum": lambda value, bound: value > bound,
    "exclusiveMinimum": lambda value, bound: value <= bound,
    "exclusiveMaximum": lambda value, bound: value >= bound,
}


def _crossed(schema: Schema, value: float) -> list[str]:
    return [keyword for keyword, breaks in _BOUNDS.items() if keyword in schema and breaks(value, schema[keyword])]


def _across(schema: Schema, near: Callable[[float], Iterable[Any]]) -> Iterator[Broken]:
    """Values next to each bound that cross just this one."""
    for keyword in _BOUNDS:
        for value in near(schema[keyword]) if keyword in schema else ():
            if math.isfinite(value) and _crossed(schema, value) == [keyword]:
                yield _itself(keyword, value)


def _integer(schema: Schema, _: int) -> Iterator[Broken]:
    return _across(
        schema, lambda bound: (math.floor(bound), math.floor(bound) - 1, math.ceil(bound), math.ceil(bound) + 1)
    )


def _number(schema: Schema, _: float) -> Iterator[Broken]:
    return _across(
        schema,
        lambda bound: (
            math.nextafter(bound, -math.inf),
            math.nextafter(bound, math.inf),
            float(bound),
            math.floor(bound) - 1,
            math.ceil(bound) + 1,
            -1e308,
            1e308,
        ),
    )


def _money(schema: Schema, old: float) -> Iterator[Broken]:
    off = (old + 0.005, old + 0.001, old - 0.0001, 1.7976931348623157e308, 1e307, -1e307)
    for value in off:
        if not _crossed(schema, value):
            yield _itself("x-money", value)
    yield from _across(
        schema,
        lambda bound: (n / 100 for n in range(math.floor(100 * bound) - 1, math.ceil(100 * bound) + 2)),
    )


def _scalar(schema: Schema, old: Any) -> Iterator[Broken]:
    """By the value's own type; texts and numbers of it share the bounds."""
    if isinstance(old, str):
        return _text(schema, old)
    return iter(()) if isinstance(old, bool) else _number(schema, old)


_BREAKERS: Final[Mapping[Kind, Callable[[Schema, Any], Iterator[Broken]]]] = {
    "objectid": lambda _, __: iter(()),
    "bson": lambda _, __: iter(()),
    "uuid": _uuid,
    "timestamp": _timestamp,
    "money": _money,
    "enum": _enum,
    "scalar": _scalar,
    "map": _object,
    "dictionary": _dictionary,
    "vector": _array,
    "list": _array,
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _, __: iter(()),
}


# -- making the broken value ------------------------------------------------------------------------------------------


def _itself(keyword: str, value: Any) -> Broken:
    return (), keyword, lambda: shorten(value), constant(value)
