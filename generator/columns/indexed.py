"""Values that an index demands: places on a map, keys in arrays that no two documents share, combinations of parents.

Without them, an index of a drafted model could not be built on generated documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from conformance.model.collection import Collection, Field
from conformance.model.indexes import Index
from conformance.model.paths import ELEMENTS, dotted
from generator.columns.protocols import Batch
from generator.columns.samplers import Array, Rng, objects

#: Kinds of indexes on places, which are GeoJSON, or a longitude and a latitude.
_PLACES: Final = frozenset({"2dsphere", "2d"})
#: Degrees to the north and to the east in which generated places are.
_LATITUDES: Final = (-80.0, 80.0)
_LONGITUDES: Final = (-170.0, 170.0)
#: Options with which a unique index does not compare all documents.
_PARTIAL: Final = frozenset({"sparse", "partialFilterExpression"})
#: Part of all combinations by which two documents after each other differ, so that they do not look numbered.
_STRIDE: Final = 0.618


def place(collection: Collection, field: Field, n: int, rng: Rng) -> Array | None:
    """Return n values of a field that an index takes as a place, or as a part of one; None for any other field."""
    paths = {path for index in collection.indexes for path, kind in index.keys if kind in _PLACES}
    if field.path in paths:
        return _whole(field, n, rng)
    parent, _, name = field.path.rpartition(".")
    if parent not in paths:
        return None
    make = _PARTS.get((name, field.kind)) or _PARTS.get(("", field.kind))
    return make(n, rng) if make and not {"minimum", "maximum"} & field.schema.keys() else None


def _whole(field: Field, n: int, rng: Rng) -> Array | None:
    types = field.schema.get("x-bson", ())
    if "object" in types:
        return objects([{"type": "Point", "coordinates": pair} for pair in _pairs(n, rng)])
    return objects(_pairs(n, rng)) if field.kind == "list" or "array" in types else None


def _pairs(n: int, rng: Rng) -> list[list[float]]:
    longitudes, latitudes = rng.uniform(*_LONGITUDES, n).tolist(), rng.uniform(*_LATITUDES, n).tolist()
    return [[*pair] for pair in zip(longitudes, latitudes, strict=True)]


#: By name and kind of the part of a place; the parts of an object without the names of GeoJSON are two numbers.
_PARTS: Final[Mapping[tuple[str, str], Callable[[int, Rng], Array]]] = {
    ("type", "string"): lambda n, _: objects(["Point"] * n),
    ("coordinates", "list"): lambda n, rng: objects(_pairs(n, rng)),
    ("coordinates", "bson"): lambda n, rng: objects(_pairs(n, rng)),
    ("", "number"): lambda n, rng: rng.uniform(*_LATITUDES, n),
}


def keys_in_arrays(collection: Collection) -> frozenset[str]:
    """Return the paths through arrays whose values no two documents share, by a unique index."""
    unique = {index.keys[0][0] for index in unique_indexes(collection) if len(index.keys) == 1}
    return frozenset(
        field.path for field in collection.everywhere() if ELEMENTS in field.path and dotted(field.path) in unique
    )


def unique_indexes(collection: Collection) -> Iterator[Index]:
    """Return the indexes with which no two documents may both lack the keys."""
    return (index for index in collection.indexes if index.unique and not _PARTIAL & index.options.keys())


def combination(batch: Batch, field: Field) -> Array | None:
    """Return which parent each document refers to, so that no two have the same parents together.

    None if the reference is not unique together with others, or if there are fewer combinations than documents.
    """
    together = _drawn_together(batch.collection, field) if batch.parent is None and batch.size else ()
    sizes = [batch.parent_size(path) for path in together]
    total = math.prod(sizes)
    if not together or batch.first + batch.size > total:
        return None
    stride = next(step for step in range(max(1, int(total * _STRIDE)), total + 1) if math.gcd(step, total) == 1)
    numbers = np.arange(batch.first, batch.first + batch.size) * stride % total
    return np.unravel_index(numbers, sizes)[together.index(field.path)]


def _drawn_together(collection: Collection, field: Field) -> tuple[str, ...]:
    """Return the references of the combination of unique fields that this one is in; empty if there is none.

    A unique index on the reference alone is one, too; a field with x-unique has a recipe that draws each parent once.
    """
    indexed = (tuple(path for path, _ in index.keys) for index in collection.indexes if index.unique)
    groups = (*(each for each in collection.unique if len(each) > 1), *indexed)
    group = next((each for each in groups if field.path in each), ())
    drawn = {
        one.field
        for one in collection.references
        if one.target != collection.name and not collection.field(one.field).sample
    }
    return tuple(path for path in group if path in drawn)
