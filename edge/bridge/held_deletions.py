"""Deletions of many documents at once: they are held until a person accepts them.

A deletion of a document is carried at once. What is found missing on either side when all documents are compared (after
a drop or a rename, a lost position, or a restart), and what devices delete within a minute, is held where it is more
than a tenth of the collection; a few documents are held after a drop only.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from typing import Final

#: One document in so many may go.
_SHARE: Final = 10
#: So many may go when no collection was dropped.
_FEW: Final = 10
#: Seconds in which deletions of devices count together.
_WINDOW: Final = 60.0


class Holds:
    """The held deletions of this run. With ``accept`` none is held; ``notice`` receives each."""

    def __init__(self, notice: Callable[[str], None], *, accept: bool) -> None:
        self._notice = notice
        self._accept = accept
        self._in_store: dict[str, int] = {}
        self._in_mongo: dict[str, set[str]] = defaultdict(set)
        self._carried: dict[str, deque[tuple[float, int]]] = defaultdict(deque)

    def keeps_in_store(self, name: str, gone: int, live: int, *, dropped: bool) -> bool:
        """Return whether documents that are gone in MongoDB stay in the store."""
        self._in_store.pop(name, None)
        if not self._many(gone, live, dropped=dropped):
            return False
        self._in_store[name] = gone
        why = " (the collection was dropped or renamed)" if dropped else ""
        self._notice(
            f"{name}: {gone:,} of {live:,} documents are gone in MongoDB{why}; they stay in the store: restore them, or"
            " run again with --accept-drop to delete them"
        )
        return True

    def keeps_in_mongo(self, name: str, keys: Collection[str], live: int) -> bool:
        """Return whether documents that are gone in the store, all of them, stay in MongoDB."""
        held = self.too_many(name, len(keys), live)
        if held and self._in_mongo[name] != set(keys):
            self._notice(
                f"{name}: {len(keys):,} of {live:,} documents are gone in the store; they stay in MongoDB: restore the"
                " store, or run again with --accept-drop to delete them"
            )
        self._in_mongo[name] = set(keys) if held else set()
        return held

    def kept_in_store(self, name: str) -> bool:
        """Return whether documents of the collection are held in the store."""
        return name in self._in_store

    def kept_in_mongo(self, name: str) -> set[str]:
        """Return the keys of the documents that are held in MongoDB."""
        return self._in_mongo[name]

    def as_json(self) -> list[dict[str, object]]:
        """For people and scripts."""
        found = [("the store", name, number) for name, number in self._in_store.items()]
        found += [("MongoDB", name, len(keys)) for name, keys in self._in_mongo.items() if keys]
        return [{"collection": name, "documents": number, "kept_in": side} for side, name, number in found]

    def note(self, name: str, number: int) -> None:
        """Take note of deletions of devices that were carried to MongoDB."""
        if number:
            self._carried[name].append((time.monotonic(), number))

    def too_many(self, name: str, gone: int, live: int) -> bool:
        """Return whether so many may not go, with those that went within the last minute."""
        carried = self._carried[name]
        while carried and carried[0][0] < time.monotonic() - _WINDOW:
            carried.popleft()
        before = sum(number for _, number in carried)
        return gone > 0 and self._many(gone + before, live + before, dropped=False)

    def _many(self, gone: int, live: int, *, dropped: bool) -> bool:
        return not self._accept and gone * _SHARE > live and (dropped or gone > _FEW)
