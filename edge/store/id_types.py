"""Ids in lists of one type each: Ditto finds nothing by `x IN :list` if a short list holds values of several types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final

#: Integers of this and more are none in Ditto.
_LARGE: Final = 2**64


def alike(ids: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Return the ids in lists of one shape each, of at most ``size``."""
    by_shape: dict[Hashable, list[Any]] = defaultdict(list)
    for identity in ids:
        by_shape[_shape(identity)].append(identity)
    for same in by_shape.values():
        for start in range(0, len(same), size):
            yield same[start : start + size]


def _shape(value: Any) -> Hashable:
    """Return the type of a value; of an object or array, with the types of what it holds."""
    if isinstance(value, dict):
        return "object", tuple(sorted((name, repr(_shape(inner))) for name, inner in value.items()))
    if isinstance(value, list | tuple):
        return "array", tuple(map(_shape, value))
    if type(value) is int and not -_LARGE <= value < _LARGE:
        return "bytes"  # as which Ditto keeps it
    return type(value).__name__
