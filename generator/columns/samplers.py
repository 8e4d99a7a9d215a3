"""Column samplers: for each field kind, n values at once, within the same ranges as its strategy.

A sampler yields the *inner* form of a column, which recipes and formulas compute with: money as whole cents (float64),
timestamps as seconds since 1970 (int64; float64 with milliseconds), everything else as the value itself. `EMIT` turns
inner columns into the values that documents hold.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from bson import Decimal128, Int64, ObjectId, Regex, Timestamp

from conformance.errors import ConfigurationError
from conformance.model.collection import Field
from conformance.model.kinds import MAX_INTEGER, MILLISECONDS, Kind
from conformance.model.ranges import (
    FIRST_SECOND,
    LAST_SECOND,
    cents_range,
    element_range,
    integer_range,
    length_range,
    number_range,
)

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
Sampler = Callable[[Mapping[str, Any], int, Rng], Array]

_LETTERS: Final = np.array(list("abcdefghijklmnopqrstuvwxyz"), dtype=object)
#: Distinct texts made from a pattern before they repeat: making one takes about 50 microseconds.
_PATTERN_POOL: Final = 500


def sample(field: Field, n: int, rng: Rng, first: int) -> Array:
    """N values of a field without a recipe; ``first`` is the number of the first document, for unique values."""
    if ("x-unique" in field.schema or field.path == "_id") and field.kind in ("string", "integer"):
        return distinct(field, n, first)
    return SAMPLERS[field.kind](field.schema, n, rng)


def distinct(field: Field, n: int, first: int) -> Array:
    """Return n values that differ from each other, and from those of other numbers."""
    numbers = np.arange(first, first + n)
    if field.kind == "integer":
        low, high = integer_range(field.schema)
        if high - low + 1 < first + n:
            raise ConfigurationError(f"{field.path}: only {high - low + 1} unique values between {low} and {high}")
        return numbers + low
    if "pattern" in field.schema:
        # Each block of documents draws from its own stretch of one seeded sequence, so that blocks never collide.
        make = text_maker(field.path)
        seen: dict[str, str] = {}
        for _ in range(50 * (first + n)):
            text = make.xeger(field.schema["pattern"][1:-1])
            if _fits(field.schema, text):
                seen.setdefault(text.lower() if field.schema.get("x-unique") == "ignore-case" else text, text)
            if len(seen) == first + n:
                return objects(list(seen.values())[first:])
        raise ConfigurationError(f"{field.path}: its pattern gives too few unique values; add x-sample with a sequence")
    shortest, longest = length_range(field.schema)
    width = max(shortest, 1)
    texts = [np.base_repr(int(number), 36).lower().rjust(width, "0") for number in numbers]
    if texts and len(texts[-1]) > longest:
        raise ConfigurationError(f"{field.path}: maxLength {longest} is too short for {first + n} unique values")
    return objects(texts)


def _fits(schema: Mapping[str, Any], text: str) -> bool:
    """Return True when the text's length is within the schema's bounds, which a pattern knows nothing of."""
    return bool(schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)))


def objects(values: list[Any]) -> Array:
    """Return a column of Python objects, one per value, whatever their type."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _objectids(_: Mapping[str, Any], n: int, rng: Rng) -> Array:
    raw = rng.bytes(12 * n)
    return objects([ObjectId(raw[start : start + 12]) for start in range(0, 12 * n, 12)])


def _uuids(_: Mapping[str, Any], n: int, rng: Rng) -> Array:
    raw = np.frombuffer(rng.bytes(16 * n), dtype=np.uint8).reshape(n, 16).copy()
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = raw.tobytes().hex()
    parts = (text[start : start + 32] for start in range(0, 32 * n, 32))
    return objects([f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}" for h in parts])


def _timestamps(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    if schema["x-timestamp"] == MILLISECONDS:
        return rng.integers(1000 * FIRST_SECOND, 1000 * LAST_SECOND, n, endpoint=True) / 1000
    return rng.integers(FIRST_SECOND, LAST_SECOND, n, endpoint=True)


def _money(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    return rng.integers(*cents_range(schema), n, endpoint=True).astype(np.float64)


def _enums(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    return objects(schema["enum"])[rng.integers(0, len(schema["enum"]), n)]


def _integers(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    return rng.integers(*integer_range(schema), n, endpoint=True)


def _numbers(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    return uniform(*number_range(schema), n, rng)


def uniform(low: float, high: float, n: int, rng: Rng) -> Array:
    """Doubles from low to high, both included; halved meanwhile, since the width may be more than a double holds."""
    return np.clip(2 * rng.uniform(low / 2, high / 2, n), low, high)


def _bson(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    """Values of the types, each as often as the others."""
    types = schema["x-bson"]
    chosen, numbers = rng.integers(0, len(types), n).tolist(), rng.integers(0, 2**31, n).tolist()
    return objects([_OF_TYPE[types[which]](number) for which, number in zip(chosen, numbers, strict=True)])


#: A value of each BSON type, made of a number.
_OF_TYPE: Final[Mapping[str, Callable[[int], Any]]] = {
    "null": lambda _: None,
    "bool": lambda number: number % 2 == 0,
    "int": int,
    "long": Int64,
    "double": lambda number: number / 7,
    "decimal": lambda number: Decimal128(f"{number // 100}.{number % 100:02}"),
    "string": str,
    "objectId": lambda number: ObjectId(number.to_bytes(12, "big")),
    "date": lambda number: dt.datetime.fromtimestamp(number, dt.UTC),
    "timestamp": lambda number: Timestamp(number, 1),
    "binData": lambda number: number.to_bytes(4, "big"),
    "regex": lambda number: Regex(f"^{number}"),
    "array": lambda number: [number, str(number)],
    "object": lambda number: {"number": number, "text": str(number)},
}


def _booleans(_: Mapping[str, Any], n: int, rng: Rng) -> Array:
    return rng.random(n) < 0.5


def text_maker(seed: str | int) -> Any:
    """Return what makes texts that match a pattern."""
    from rstr import Rstr

    return Rstr(random.Random(seed))  # noqa: S311 - test data, not secrets


def strings(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    """Return n strings, by the pattern if there is one, else letters."""
    shortest, longest = length_range(schema)
    if "pattern" in schema:
        make = text_maker(int(rng.integers(2**32)))
        texts: list[str] = []
        for _ in range(100 * _PATTERN_POOL):
            text = make.xeger(schema["pattern"][1:-1])
            if _fits(schema, text):
                texts.append(text)
            if len(texts) == min(n, _PATTERN_POOL):
                return objects(texts)[rng.integers(0, len(texts), n)]
        raise ConfigurationError(f"the pattern {schema['pattern']} seldom fits the length bounds; add x-sample")
    lengths = rng.integers(shortest, longest, n, endpoint=True)
    letters = _LETTERS[rng.integers(0, 26, int(lengths.sum()))]
    ends = np.cumsum(lengths)
    return objects(["".join(letters[end - length : end]) for end, length in zip(ends, lengths, strict=True)])


def _scalars(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    kinds = rng.integers(0, len(schema["type"]), n)
    columns = [SAMPLERS[kind](schema, n, rng).tolist() for kind in schema["type"]]
    return objects([columns[kind][row] for row, kind in enumerate(kinds)])


def _vectors(schema: Mapping[str, Any], n: int, rng: Rng) -> Array:
    low, high = element_range(schema)
    sizes = rng.integers(schema["minItems"], schema["maxItems"], n, endpoint=True)
    return objects([uniform(low, high, size, rng).tolist() for size in sizes])


SAMPLERS: Final[Mapping[Kind, Sampler]] = {
    "objectid": _objectids,
    "bson": _bson,
    "uuid": _uuids,
    "timestamp": _timestamps,
    "money": _money,
    "enum": _enums,
    "scalar": _scalars,
    "vector": _vectors,
    "string": strings,
    "integer": _integers,
    "number": _numbers,
    "boolean": _booleans,
}


def _emit_money(column: Array) -> list[Any]:
    return _with_integers(column / 100.0, column % 100 == 0)


def _emit_numbers(column: Array) -> list[Any]:
    """Return numbers; those of fixed rows keep their written types."""
    if column.dtype == object:
        return list(column.tolist())
    return _with_integers(column.astype(np.float64), (column == np.floor(column)) & (np.abs(column) <= MAX_INTEGER))


def _with_integers(numbers: Array, whole: Array) -> list[Any]:
    """Doubles; but every second whole number is an int, as JavaScript devices write it."""
    chosen = np.flatnonzero(whole)[::2]
    values = numbers.astype(object)
    values[chosen] = numbers[chosen].astype(np.int64)
    return list(values.tolist())


def _emit_timestamps(column: Array, schema: Mapping[str, Any]) -> list[Any]:
    unit, per_second = ("ms", 1000) if schema["x-timestamp"] == MILLISECONDS else ("s", 1)
    numbers = np.rint(column * per_second) if per_second > 1 else np.floor(column)
    texts = np.datetime_as_string(numbers.astype(np.int64).astype(f"datetime64[{unit}]")).tolist()
    return [text + "Z" for text in texts]


def emit(kind: Kind, column: Array, schema: Mapping[str, Any]) -> list[Any]:
    """Return the values of an inner column as documents hold them: Python objects that BSON encodes exactly."""
    if kind == "timestamp":
        return _emit_timestamps(column, schema)
    return _EMIT[kind](column) if kind in _EMIT else column.tolist()


_EMIT: Final[Mapping[Kind, Callable[[Array], list[Any]]]] = {
    "money": _emit_money,
    "number": _emit_numbers,
}
