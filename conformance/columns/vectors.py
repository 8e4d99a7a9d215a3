"""Arrays of doubles in columns, such as embeddings: their sizes, their bounds and their lengths as vectors.

An array of a given number of doubles has the same bytes in every document, but for the doubles themselves. So arrays
of one size are compared with that pattern, and read as one matrix. Of any other array nothing is known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from conformance.columns.layout import ARRAY, DOUBLE, Array, Batch, UnusualError
from conformance.columns.values import EXACT, UNKNOWN, codes_at

#: Different sizes of arrays in a batch that are read; fields of vectors have one.
_SIZES: Final = 32
#: Bytes of an array besides its elements: its length, and the NUL at its end.
_FRAME: Final = 5
_DOUBLE: Final = 8


@dataclass(frozen=True)
class Vectors:
    """A row for each document. Where the value is not an array of doubles, ``sizes`` is -1 and the others are NaN."""

    sizes: Array
    least: Array
    greatest: Array
    squares: Array

    @property
    def known(self) -> Array:
        """Return where the value is an array of doubles, none of them NaN."""
        return self.sizes >= 0


@dataclass(frozen=True)
class Shape:
    """The shape of a field's vectors: so many numbers, none beyond the limit, and not all of them zero."""

    path: str
    fewest: int
    most: int
    limit: float

    def truth(self, batch: Batch) -> tuple[Array, Array]:
        """Return the documents whose vector has the shape, and those for which that is not known."""
        codes, vectors = codes_at(batch, self.path), vectors_at(batch, self.path)
        has_shape = (vectors.sizes >= self.fewest) & (vectors.sizes <= self.most)
        has_shape &= (vectors.least >= -self.limit) & (vectors.greatest <= self.limit)
        has_shape &= (vectors.least != 0) | (vectors.greatest != 0)
        return has_shape, ((codes == ARRAY) & ~vectors.known) | (codes == UNKNOWN)

    def may_lack(self, batch: Batch) -> Array:
        """Return the documents whose vector may not have the shape."""
        return ~self.truth(batch)[0]

    def may_differ(self, batch: Batch, square: float, tolerance: float) -> Array:
        """Return the documents with a vector of the shape whose squared length may not be as wanted."""
        has_shape, unsure = self.truth(batch)
        is_near = np.abs(vectors_at(batch, self.path).squares - square) <= tolerance
        return unsure | (has_shape & ~is_near)


def vectors_at(batch: Batch, path: str) -> Vectors:
    """Return the arrays of doubles at a path. Raise UnusualError if there are arrays, and none is of doubles."""
    key = "vectors", path
    if key not in batch.cache:
        batch.cache[key] = _read(batch, path)
    found: Vectors = batch.cache[key]
    return found


def _read(batch: Batch, path: str) -> Vectors:
    number = len(batch)
    found = Vectors(np.full(number, -1), *(np.full(number, np.nan) for _ in range(3)))
    column, is_array = batch.columns.get(path), codes_at(batch, path) == ARRAY
    if column is None or not is_array.any():
        return found
    at = np.where(is_array, column.at, 0)
    lengths = np.where(is_array, batch.window("<i4")[at], 0)
    for length in np.unique(lengths[is_array])[:_SIZES].tolist():
        size = _size(length)
        if size is None:
            continue
        rows = np.flatnonzero(lengths == length)
        numbers, are_doubles = _matrix(batch, at[rows], length, size)
        rows, numbers = rows[are_doubles], numbers[are_doubles]
        found.sizes[rows] = size
        found.least[rows], found.greatest[rows] = numbers.min(axis=1), numbers.max(axis=1)
        with np.errstate(over="ignore"):
            found.squares[rows] = np.einsum("ij,ij->i", numbers, numbers)
    if not found.known.any():
        raise UnusualError
    return found


def _matrix(batch: Batch, at: Array, length: int, size: int) -> tuple[Array, Array]:
    """Return the elements of arrays of one length, a row for each, and which arrays hold doubles only, none NaN."""
    rows = batch.window(f"V{length}")[at].view(np.uint8).reshape(len(at), length)
    numbers = np.empty((len(at), size))
    are_doubles: Array = rows[:, -1] == 0
    for block in _blocks(size):
        width = block.names.shape[1] + _DOUBLE
        part = rows[:, block.start : block.start + len(block.names) * width].reshape(len(at), len(block.names), width)
        are_doubles &= (part[:, :, :-_DOUBLE] == block.names).all(axis=(1, 2))
        elements = np.ascontiguousarray(part[:, :, -_DOUBLE:]).view("<f8")[:, :, 0]
        numbers[:, block.first : block.first + len(block.names)] = elements
    return numbers, are_doubles & ~np.isnan(numbers).any(axis=1)


@dataclass(frozen=True)
class _Block:
    """Elements whose numbers have equally many digits: the first of them, where it starts, and what precedes each."""

    first: int
    start: int
    names: Array


@cache
def _blocks(size: int) -> tuple[_Block, ...]:
    return tuple(_cut(size))


def _cut(size: int) -> Iterator[_Block]:
    first, start = 0, 4
    while first < size:
        end = min(size, 10 ** len(str(first)))
        names = [bytes([DOUBLE]) + str(number).encode() + b"\0" for number in range(first, end)]
        yield _Block(first, start, np.array([list(name) for name in names], dtype=np.uint8))
        start += sum(len(name) + _DOUBLE for name in names)
        first = end


@cache
def _size(length: int) -> int | None:
    """Return the number of doubles in an array of so many bytes; None if no number of them has so many, or it is 0."""
    left, first, digits = length - _FRAME, 0, 1
    while left > 0:
        width, number = 1 + digits + 1 + _DOUBLE, 10**digits - first
        if left <= number * width:
            return None if left % width else first + left // width
        left, first, digits = left - number * width, 10**digits, digits + 1
    return None


def elements_meet(schema: Mapping[str, Any], vectors: Vectors) -> Array:
    """Return the arrays of doubles whose elements all surely meet a schema as $jsonSchema has it."""
    found = vectors.known
    for keyword, argument in schema.items():
        found = found & _of_elements(keyword, argument, schema, vectors)
    return found


def _of_elements(keyword: str, argument: Any, schema: Mapping[str, Any], vectors: Vectors) -> Array:
    if keyword == "bsonType":
        names = {argument} if isinstance(argument, str) else set(argument)
        return np.full(len(vectors.sizes), not names.isdisjoint({"double", "number"}))
    if keyword == "anyOf":
        return np.any([elements_meet(one, vectors) for one in argument], axis=0)
    is_bound = keyword in ("minimum", "maximum") and isinstance(argument, int | float)
    if not is_bound or (isinstance(argument, int) and abs(argument) > EXACT) or schema.keys() & _EXCLUSIVE:
        raise UnusualError
    found: Array = vectors.least >= argument if keyword == "minimum" else vectors.greatest <= argument
    return found


_EXCLUSIVE: Final = frozenset({"exclusiveMinimum", "exclusiveMaximum"})
