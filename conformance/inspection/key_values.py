"""The distinct values of one path as 64-bit hashes: enough to find keys and references, in 8 bytes per value."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.int64]

#: Distinct values that are kept of one path; 32 MB. A path with more is not proposed as a key or a reference.
MAX_VALUES: Final = 4_000_000
#: Hashes that wait to be merged, at least.
_PENDING: Final = 65_536


class KeyValues:
    """Hashes of the values that were added, each once; ``total`` counts all of them.

    Two values that MongoDB calls equal have one hash, so values without a collision are unique. Of a million values,
    two different ones share a hash once in 40 million runs.
    """

    def __init__(self) -> None:
        self.total = 0
        self.overflown = False
        self._merged: Hashes = np.empty(0, np.int64)
        self._pending: list[Hashes] = []
        self._waiting = 0

    def add(self, values: Collection[object], number: int) -> None:
        """Add different values; ``number`` is how many there are with those that occur several times."""
        self.total += number
        if self.overflown:
            return
        hashes = np.fromiter(map(hash, values), np.int64, len(values))
        self._pending.append(hashes)
        self._waiting += len(hashes)
        if self._waiting > max(_PENDING, len(self._merged)):
            self._merge()

    def merge(self, other: KeyValues) -> None:
        """Add the values of another path."""
        self.total += other.total
        self.overflown = self.overflown or other.overflown
        self._pending.append(other.hashes)
        self._merge()

    @property
    def hashes(self) -> Hashes:
        """The hashes in order; empty when there are too many to keep."""
        if self._pending:
            self._merge()
        return self._merged

    @property
    def held(self) -> int:
        """Return how many hashes are in memory."""
        return len(self._merged) + self._waiting

    def drop(self) -> None:
        """Forget the values: whether they are unique is not known any more."""
        self.overflown, self._merged, self._pending, self._waiting = True, np.empty(0, np.int64), [], 0

    @property
    def distinct(self) -> int:
        """Return how many different values there are."""
        return len(self.hashes)

    @property
    def unique(self) -> bool:
        """True when no two values are equal."""
        return not self.overflown and self.distinct == self.total

    def _merge(self) -> None:
        self._merged = np.unique(np.concatenate([self._merged, *self._pending]))
        self._pending, self._waiting = [], 0
        if self.overflown or len(self._merged) > MAX_VALUES:
            self.drop()


def share_within(child: Hashes, parent: Hashes) -> float:
    """Return the share of the child's distinct values that the parent has."""
    return float(np.isin(child, parent, assume_unique=True).mean()) if len(child) else 0.0
