"""Operations of expressions: constants, comparison by BSON's order of types, and functions of strings."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from conformance.columns.layout import BOOLEAN, DOUBLE, NULL, TEXT, Array, UnusualError
from conformance.columns.values import EXACT, RANK, UNKNOWN, Values, as_bytes


def constant(value: Any) -> Values:
    """Return a constant as values of length 1."""
    if value is None:
        return Values(np.array([NULL], dtype=np.uint8))
    if isinstance(value, bool):
        return Values(np.array([BOOLEAN], dtype=np.uint8), np.array([float(value)]))
    if isinstance(value, int | float) and abs(value) <= EXACT:
        return Values(np.array([DOUBLE], dtype=np.uint8), np.array([float(value)]))
    if isinstance(value, float) and np.isnan(value):
        return Values(np.array([DOUBLE], dtype=np.uint8), np.array([value]), unsure=np.ones(1, dtype=bool))
    if isinstance(value, str) and "\0" not in value:
        return Values(np.array([TEXT], dtype=np.uint8), texts=np.array([value.encode()], dtype=bytes))
    raise UnusualError


def compare(one: Values, other: Values) -> tuple[Array, Array, Array]:
    """Return where values are equal, where the first is the lower, and where that is not known."""
    rank, against = RANK[one.codes], RANK[other.codes]
    same = rank == against
    lower = rank < against
    equal = same & (rank <= 1) & (rank >= 0)
    compared = equal
    numeric, textual = (rank == 2) | (rank == 8), rank == 3
    for kind, left, right in ((numeric, one.numbers, other.numbers), (textual, one.texts, other.texts)):
        if left is not None and right is not None:
            here = same & kind
            equal = equal | (here & (left == right))
            lower = lower | (here & (left < right))
            compared = compared | here
    unsure = same & ~compared | (one.codes == UNKNOWN) | (other.codes == UNKNOWN)
    for values in (one, other):
        if values.unsure is not None:
            unsure = unsure | (same & values.unsure)
    return equal, lower, unsure


def some(mask: Array) -> Array | None:
    """Return a mask; None if it is false everywhere."""
    return mask if mask.any() else None


def result(usable: Array, code: int, absent: Array, numbers: Array | None = None, texts: Array | None = None) -> Values:
    """Return values of one type where they are usable, null where an operand is absent, unknown elsewhere."""
    codes = np.where(usable, np.uint8(code), np.where(absent, np.uint8(NULL), np.uint8(UNKNOWN)))
    return Values(codes, numbers, texts, some(codes == UNKNOWN))


def on_texts(values: list[Values], function: Callable[..., Array]) -> Values:
    """Return a function of texts: null where an operand is absent, unknown where one is not a text."""
    absent = reduce(np.logical_or, ((one.codes == 0) | (one.codes == NULL) for one in values))
    usable = reduce(np.logical_and, ((one.codes == TEXT) & one.sure for one in values))
    if any(one.texts is None for one in values):
        return result(usable & False, TEXT, absent)
    return result(usable, TEXT, absent, texts=function(*(one.texts for one in values)))


def is_ascii(values: Values) -> Array:
    """Return which texts have one byte for each character."""
    found: Array = np.ones(1, dtype=bool) if values.raw.isascii() else as_bytes(values.known_texts).max(axis=1) < 0x80
    return found


def lower(values: Values) -> Values:
    """Return texts in lower case, as the server has it: of ASCII letters only."""
    found = on_texts([values], np.char.lower)
    unknown = found.codes != TEXT  # of null it is the empty text
    return Values(np.where(unknown, np.uint8(UNKNOWN), found.codes), texts=found.texts, unsure=some(unknown))


def substring(values: Values, first: int, number: int) -> Values:
    """Return so many characters of ASCII texts, from the first on."""
    part = np.ascontiguousarray(as_bytes(values.known_texts)[:, first : first + number])
    cut = part.view(f"S{part.shape[1]}").ravel() if part.shape[1] else np.full(len(part), b"", dtype="S1")
    usable = (values.codes == TEXT) & values.sure & is_ascii(values)
    return result(usable, TEXT, np.zeros(1, dtype=bool), texts=cut)


def length(values: Values) -> Values:
    """Return the number of characters of ASCII texts."""
    usable = (values.codes == TEXT) & values.sure & is_ascii(values)
    lengths = np.char.str_len(values.known_texts).astype(np.float64)
    return result(usable, DOUBLE, np.zeros(1, dtype=bool), lengths)
