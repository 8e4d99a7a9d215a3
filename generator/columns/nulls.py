"""Objects and arrays that are null at times, and the fields that a document then lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from conformance.language.formulas.nodes import Column
from conformance.model.collection import Collection, Field
from conformance.model.kinds import bson_types
from generator.columns.indexed import unique_indexes
from generator.columns.protocols import Batch

Array = np.ndarray[Any, Any]

#: Share of the values that are null where they may be.
_NULLS: Final = 0.2


def drawn_nulls(n: int, rng: np.random.Generator) -> Array:
    """Return which of n values are null."""
    return rng.random(n) < _NULLS


def may_refer_to_nothing(collection: Collection, field: Field) -> bool:
    """Return True for a reference that may be absent or null, or in an object that may be null."""
    return _may_be_nothing(field) or bool(collection.nullable_above(field.path))


def _may_be_nothing(field: Field) -> bool:
    return not field.required or "null" in bson_types(field.schema)


class Nulls:
    """The documents of a batch in which an object is null; ``make`` makes the column of a field."""

    def __init__(self, batch: Batch, make: Callable[[str], object]) -> None:
        self._batch = batch
        self._make = make
        self._known: dict[str, Array] = {}

    def of(self, field: Field) -> Array:
        """Return where an object is null: at times, and where a reference that it must have leads to nothing."""
        if field.path not in self._known:
            batch = self._batch
            found = drawn_nulls(batch.size, batch.rng(field, "null")) & (not self._must_differ(field))
            for path in _necessary_references(field):
                self._make(path)
                if path in batch.rows:
                    found |= batch.rows[path] < 0
            self._known[field.path] = found
        return self._known[field.path]

    def _must_differ(self, field: Field) -> bool:
        """Return whether a unique index has a key below an object, which two documents cannot both lack."""
        indexes = unique_indexes(self._batch.collection)
        return any(path.startswith(f"{field.path}.") for index in indexes for path, _ in index.keys)

    def put(self, field: Field, column: Array) -> Array:
        """Return a column of objects with null where they are null."""
        if field.nullable:
            column[self.of(field)] = None
        return column

    def passed_on(self, path: str, values: Array, present: Array | None) -> Column:
        """Return a field's column: where it is present in its object, and this is not null; None if everywhere."""
        beside = self._beside(path)
        return values, beside if present is None else present if beside is None else present & beside

    def lacks(self, field: Field, present: Array) -> bool:
        """Return whether an object that is not null is without a field."""
        beside = self._beside(field.path)
        return bool((~present if beside is None else beside & ~present).any())

    def _beside(self, path: str) -> Array | None:
        """Return where no object above a field is null; None where none may be."""
        collection = self._batch.collection
        above = collection.nullable_above(path) if "." in path and collection.has(path) else ()
        return ~np.logical_or.reduce([self.of(collection.field(one)) for one in above]) if above else None


def _necessary_references(field: Field) -> Iterator[str]:
    """Yield the references that an object must have, and its required arrays and maps, which may hold some.

    What is below an inner object that may itself be null is not among them.
    """
    for child in field.children:
        if ("x-reference" in child.schema or child.element is not None) and not _may_be_nothing(child):
            yield child.path
        if not child.nullable:
            yield from _necessary_references(child)
