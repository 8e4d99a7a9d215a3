"""Values that hold others: arrays, objects, and maps with free keys, many at once.

The elements of all arrays of a column are made as one column, then dealt out; so are the values of maps. An object in
an array is made by its schema alone: recipes are for what a document has once. References are followed everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from conformance.model.collection import Collection, Field
from conformance.model.paths import ELEMENTS
from conformance.model.ranges import items_range, size_range
from generator.columns.nulls import drawn_nulls
from generator.columns.references import no_keys
from generator.columns.samplers import SAMPLERS, distinct, emit, objects, strings, text_maker

#: More than the arrays of one document have elements of one field.
_MOST_ELEMENTS: Final = 1_000

Array = np.ndarray[Any, Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class Nested:
    """Makes the values of fields in arrays and maps; ``keys`` returns those that a reference may have.

    ``distinct`` are paths whose values no two documents share; ``first`` is the number of the first document.
    """

    rng: Rng
    collection: Collection
    keys: Callable[[Field], Array]
    distinct: frozenset[str] = frozenset()
    first: int = 0

    def column(self, field: Field, n: int) -> Array:
        """Return n values of an array or a map with free keys."""
        return objects(self._values(field, n))

    def _values(self, field: Field, n: int) -> list[Any]:
        if field.nullable and not self._has_content(field):
            return [None] * n
        values = self._of_kind(field, n)
        if not field.nullable or self._has_distinct(field):
            return values
        nulls = drawn_nulls(n, self.rng).tolist()
        return [None if is_null else value for value, is_null in zip(values, nulls, strict=True)]

    def _of_kind(self, field: Field, n: int) -> list[Any]:
        if "x-reference" in field.schema:
            keys = self.keys(field)
            if not len(keys) and field.required and field.name != ELEMENTS:
                raise no_keys(self.collection, field)
            return list(keys[self.rng.integers(0, len(keys), n)].tolist()) if len(keys) else []
        if field.kind == "list":
            return self._lists(field, n)
        if field.kind == "dictionary":
            return self._dictionaries(field, n)
        if field.kind == "map":
            return list(self._maps(field, n))
        if field.path in self.distinct and field.kind in ("string", "integer"):
            return emit(field.kind, distinct(field, n, self.first * _MOST_ELEMENTS), field.schema)
        return emit(field.kind, SAMPLERS[field.kind](field.schema, n, self.rng), field.schema)

    def can_be_made(self, field: Field) -> bool:
        """Return whether there is a value of a field: null, or one whose references have something to refer to."""
        return field.nullable or self._has_content(field)

    def _has_content(self, field: Field) -> bool:
        if "x-reference" in field.schema:
            return len(self.keys(field)) > 0
        if field.element is not None and "x-reference" in field.element.schema and not field.schema.get("minItems", 0):
            return True  # an empty array
        below = (*field.children, *([field.element] if field.element else ()))
        return all(not one.required or self.can_be_made(one) for one in below)

    def _maps(self, field: Field, n: int) -> Iterator[dict[str, Any]]:
        made = (one for one in field.children if one.required or "x-reference" in one.schema or self.can_be_made(one))
        columns = [(child.name, self._values(child, n), self._present(child, n)) for child in made]
        for row in range(n):  # a column is short where there is nothing to refer to
            yield {name: values[row] for name, values, present in columns if present[row] and values}

    def _present(self, child: Field, n: int) -> Array:
        return np.ones(n, dtype=bool) if child.required or self._has_distinct(child) else self.rng.random(n) < 0.5

    def _lists(self, field: Field, n: int) -> list[Any]:
        assert field.element is not None  # noqa: S101 - every list has elements
        fewest, most = items_range(field.schema)
        if self._has_distinct(field):  # an index takes an empty array for null, which several documents would share
            fewest, most = max(1, fewest), max(1, most)
        sizes = self.rng.integers(fewest, most, n, endpoint=True)
        elements = self._values(field.element, max(int(sizes.sum()), 1))
        ends = np.cumsum(sizes)
        return [elements[end - size : end] for end, size in zip(ends, sizes, strict=True)]

    def _has_distinct(self, field: Field) -> bool:
        return any(path.startswith(field.path) for path in self.distinct)

    def _dictionaries(self, field: Field, n: int) -> list[Any]:
        assert field.element is not None  # noqa: S101 - every free map has values
        (pattern,) = field.schema["patternProperties"]
        smallest, largest = size_range(field.schema)
        sizes = self.rng.integers(smallest, largest, n, endpoint=True)
        keys = strings({"pattern": pattern}, max(int(sizes.sum()), 1), self.rng).tolist()
        values = self._values(field.element, len(keys))
        maps = []
        for end, size in zip(np.cumsum(sizes), sizes, strict=True):
            chosen = dict(zip(keys[end - size : end], values[end - size : end], strict=True))
            spare = text_maker(int(self.rng.integers(2**32)))
            while len(chosen) < smallest:
                chosen.setdefault(spare.xeger(pattern[1:-1]), values[0])
            maps.append(chosen)
        return maps
