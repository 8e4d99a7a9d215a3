"""Keys of documents: found again by a hash, and then compared in full."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from conformance.columns.layout import DOUBLE, NULL, TEXT, Array, Batch, UnusualError
from conformance.columns.values import IS_NUMBER, LONGEST, Values, as_bytes

#: A random factor for each word, so that no one can prepare keys whose hashes collide.
_SALT: Final = np.array([secrets.randbits(63) | 1 for _ in range(LONGEST // 8)], dtype=np.uint64)
_SHIFT: Final = np.uint64(29)


@dataclass(frozen=True)
class Cells:
    """Values that can be compared with others: their kind (0: none), and their bytes in words of eight."""

    kinds: Array
    words: Array

    def at(self, places: Array) -> Cells:
        """Return those at these places."""
        return Cells(self.kinds[places], self.words[places])

    def equal(self, other: Cells) -> Array:
        """Return which are the same as those beside them."""
        width = min(self.words.shape[1], other.words.shape[1])
        same: Array = (self.kinds == other.kinds) & (self.words[:, :width] == other.words[:, :width]).all(axis=1)
        for one in (self, other):
            if one.words.shape[1] > width:
                same &= ~one.words[:, width:].any(axis=1)
        return same

    @cached_property
    def hashes(self) -> Array:
        """A hash of each."""
        found = self.kinds.astype(np.uint64)
        for place in range(self.words.shape[1]):
            word = self.words[:, place]
            # A word of zeros changes nothing, so that the width of the column does not matter.
            mixed = (found ^ word) * _SALT[place]
            found = np.where(word == 0, found, mixed ^ (mixed >> _SHIFT))
        return found


def cells(batch: Batch, values: Values) -> Cells:
    """Return values at a path as cells; a missing one and null are none. Raise UnusualError for other types."""
    codes = np.broadcast_to(values.codes, len(batch))
    kinds = np.where(IS_NUMBER[codes], np.uint8(DOUBLE), np.where(codes == NULL, np.uint8(0), codes))
    present = set(np.unique(kinds).tolist()) - {0}
    if present - {DOUBLE, TEXT} or values.unsure is not None:
        raise UnusualError
    width = 1 if values.texts is None else values.texts.dtype.itemsize // 8
    words = np.zeros((len(batch), width), dtype=np.uint64)
    if DOUBLE in present and values.numbers is not None:
        numbers = np.ascontiguousarray(values.numbers + 0.0)  # -0.0 is 0.0
        words[:, 0] = np.where(kinds == DOUBLE, numbers.view(np.uint64), np.uint64(0))
    if TEXT in present and values.texts is not None:
        words |= np.where((kinds == TEXT)[:, None], as_bytes(values.texts).view(np.uint64), np.uint64(0))
    return Cells(kinds, words)


def joined(parts: list[Cells]) -> Cells:
    """Return the cells of several batches as one."""
    width = max(part.words.shape[1] for part in parts)
    words = [np.pad(part.words, ((0, 0), (0, width - part.words.shape[1]))) for part in parts]
    return Cells(np.concatenate([part.kinds for part in parts]), np.concatenate(words))


class Index:
    """The places of keys. Raise UnusualError if two documents share one."""

    def __init__(self, keys: Cells) -> None:
        self._keys = keys
        self._order = np.argsort(keys.hashes, kind="stable")
        self._hashes = keys.hashes[self._order]
        if has_repeats(self._hashes[keys.kinds[self._order] != 0]):
            raise UnusualError

    def places(self, keys: Cells) -> Array:
        """Return where each key is, -1 for one that is not there or no key."""
        if not len(self._order):
            return np.full(len(keys.kinds), -1)
        at = np.minimum(np.searchsorted(self._hashes, keys.hashes), len(self._hashes) - 1)
        places = self._order[at]
        found = (keys.kinds != 0) & self._keys.at(places).equal(keys)
        return np.where(found, places, -1)


def has_repeats(hashes: Array) -> bool:
    """Return whether two of the sorted hashes are equal: of equal keys, and once in ages of different ones."""
    return bool((hashes[1:] == hashes[:-1]).any())
