"""Hypothesis strategies: for each field kind the values that its schema takes, and from them whole documents.

A strategy and a sampler (samplers.py) are two readings of one field: both dispatch on the same kinds and draw from the
same ranges. Strategies look for the odd value that is still legal; samplers make a plausible column at once.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import numpy as np
from bson import Decimal128, Int64, ObjectId, Regex, Timestamp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.model.collection import Collection, Field
from conformance.model.kinds import MAX_INTEGER, MILLISECONDS, Kind, kind_of, takes_null, timestamp_of
from conformance.model.ranges import (
    FIRST_SECOND,
    LAST_SECOND,
    cents_range,
    element_range,
    integer_range,
    items_range,
    length_range,
    number_range,
    size_range,
)
from conformance.model.validators.document_validator import Breach
from generator.columns.samplers import uniform
from generator.fuzzing.mutations import mutations

Document = dict[str, Any]
Strategy = SearchStrategy[Any]


@cache
def documents(collection: Collection) -> SearchStrategy[Document]:
    """Documents that meet the collection's schema, whose _id equals the field that x-id names.

    Optional fields are present or absent. References, snapshots, sums and uniqueness are not looked after: they are
    not one document's to keep.
    """
    source, parts = collection.id_field, collection.id_parts
    if parts:
        return _maps(collection.schema).map(
            lambda document: {**document, "_id": {**document["_id"], **{name: document[name] for name in parts}}}
        )
    if source is None:
        return _maps(collection.schema)
    others = {name: schema for name, schema in collection.schema["properties"].items() if name != "_id"}
    return _maps({**collection.schema, "properties": others}).map(
        lambda document: {"_id": document[source], **document}
    )


@cache
def invalid_documents(collection: Collection) -> SearchStrategy[tuple[Document, Breach]]:
    """Documents that break exactly one rule of the collection's schema, with that rule's path and keyword.

    Where x-id makes _id equal to a field, only one of the two is broken.
    """

    @st.composite
    def one(draw: st.DrawFn) -> tuple[Document, Breach]:
        return draw(invalid_versions(collection, draw(documents(collection))))

    return one()


def invalid_versions(collection: Collection, document: Document) -> SearchStrategy[tuple[Document, Breach]]:
    """Versions of one valid document, as in `invalid_documents`; drawing one is quicker than drawing a document."""
    choices = list(mutations(collection, document))
    places = st.integers(0, len(choices) - 1)
    return places.map(lambda place: (choices[place].document(), choices[place].breach))


def values(field: Field) -> Strategy:
    """Return the values that a field takes where it is present."""
    return _of(field.schema)


def _of(schema: Mapping[str, Any]) -> Strategy:
    values = STRATEGIES[kind_of(schema)](schema)
    return st.none() | values if takes_null(schema) else values


def _maps(schema: Mapping[str, Any]) -> SearchStrategy[Document]:
    """Documents, and objects with the keys of the schema."""
    required: dict[str, Strategy] = {}
    optional: dict[str, Strategy] = {}
    for name, inner in schema["properties"].items():
        (required if name in schema.get("required", ()) else optional)[name] = _of(inner)
    return st.fixed_dictionaries(required, optional=optional)


def _objectids(_: Mapping[str, Any]) -> Strategy:
    return st.binary(min_size=12, max_size=12).map(ObjectId)


_TEXTS: Final = st.text(max_size=8)
_SMALL: Final = st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | _TEXTS
#: The values of each BSON type.
_OF_TYPE: Final[Mapping[str, Strategy]] = {
    "null": st.none(),
    "bool": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1).map(Int64),
    "double": st.floats(allow_nan=False),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9).map(
        Decimal128
    ),
    "string": _TEXTS,
    "objectId": st.binary(min_size=12, max_size=12).map(ObjectId),
    "date": st.integers(FIRST_SECOND, LAST_SECOND).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC)),
    "timestamp": st.builds(Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    "binData": st.binary(max_size=16),
    "regex": st.sampled_from(("^a", "b+")).map(Regex),
    "array": st.lists(_SMALL, max_size=3),
    "object": st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), _SMALL, max_size=3),
}


def _bson(schema: Mapping[str, Any]) -> Strategy:
    return st.one_of(*(_OF_TYPE[name] for name in schema["x-bson"]))


def _uuids(_: Mapping[str, Any]) -> Strategy:
    return st.builds(lambda uuid, write: write(str(uuid)), st.uuids(version=4), st.sampled_from((str.lower, str.upper)))


def _timestamps(schema: Mapping[str, Any]) -> Strategy:
    return st.builds(
        lambda second, thousandth: timestamp_of(
            dt.datetime.fromtimestamp(second, dt.UTC).replace(microsecond=1000 * thousandth), schema
        ),
        st.integers(FIRST_SECOND, LAST_SECOND),
        st.integers(0, 999) if schema["x-timestamp"] == MILLISECONDS else st.just(0),
    )


def _money(schema: Mapping[str, Any]) -> Strategy:
    """Doubles of whole cents, and whole amounts in each type that a number has in BSON."""
    low, high = cents_range(schema)
    amounts = st.integers(low, high).map(lambda cents: cents / 100)
    dollars = -(-low // 100), high // 100
    return amounts | _whole(*dollars) if dollars[0] <= dollars[1] else amounts


def _enums(schema: Mapping[str, Any]) -> Strategy:
    return st.sampled_from(schema["enum"])


def _integers(schema: Mapping[str, Any]) -> Strategy:
    return st.builds(_as, st.sampled_from((int, Int64)), st.integers(*integer_range(schema)))


def _numbers(schema: Mapping[str, Any]) -> Strategy:
    """Doubles, both ends often, and whole numbers in each type that a number has in BSON."""
    low, high = number_range(schema)
    lowest, highest = max(math.ceil(low), -MAX_INTEGER), min(math.floor(high), MAX_INTEGER)
    numbers = st.floats(low, high) | st.sampled_from((low, high))
    return numbers | _whole(lowest, highest) if lowest <= highest else numbers


def _whole(low: int, high: int) -> Strategy:
    return st.builds(_as, st.sampled_from((int, Int64, float)), st.integers(low, high))


def _as(kind: type, value: int) -> Any:
    return kind(value)


def _booleans(_: Mapping[str, Any]) -> Strategy:
    return st.booleans()


def _strings(schema: Mapping[str, Any]) -> Strategy:
    if "pattern" not in schema:
        low, high = length_range(schema)
        return st.text(min_size=low, max_size=high) | st.text(min_size=high, max_size=high)
    texts = st.from_regex(schema["pattern"][1:-1], fullmatch=True)
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    return texts.filter(lambda text: shortest <= len(text) <= longest)


def _scalars(schema: Mapping[str, Any]) -> Strategy:
    return st.one_of(*(STRATEGIES[kind](schema) for kind in schema["type"]))


def _dictionaries(schema: Mapping[str, Any]) -> Strategy:
    ((pattern, inner),) = schema["patternProperties"].items()
    fewest, most = size_range(schema)
    return st.dictionaries(_strings({"pattern": pattern}), _of(inner), min_size=fewest, max_size=most)


def _lists(schema: Mapping[str, Any]) -> Strategy:
    fewest, most = items_range(schema)
    return st.lists(_of(schema["items"]), min_size=fewest, max_size=most)


def _vectors(schema: Mapping[str, Any]) -> Strategy:
    """One seed, expanded by NumPy: some hundreds of single draws would take far longer and find nothing more."""
    low, high = element_range(schema)

    def expand(size: int, seed: int) -> list[float]:
        return uniform(low, high, size, np.random.default_rng(seed)).tolist()  # type: ignore[no-any-return]

    return st.builds(expand, st.integers(schema["minItems"], schema["maxItems"]), st.integers(0, 2**32 - 1))


STRATEGIES: Final[Mapping[Kind, Callable[[Mapping[str, Any]], Strategy]]] = {
    "objectid": _objectids,
    "bson": _bson,
    "uuid": _uuids,
    "timestamp": _timestamps,
    "money": _money,
    "enum": _enums,
    "scalar": _scalars,
    "map": _maps,
    "dictionary": _dictionaries,
    "vector": _vectors,
    "list": _lists,
    "string": _strings,
    "integer": _integers,
    "number": _numbers,
    "boolean": _booleans,
}
