"""Documents that changed recently, for a page of the copy that was read before it is used."""

from __future__ import annotations

from typing import Any

from edge.document_keys import name_of


class Recent:
    """Documents by collection and MongoDB's _id, in the order in which the bridge heard of their changes.

    Nothing is recorded while nobody has asked for a ``mark``, or after ``rest``.
    """

    def __init__(self) -> None:
        self._changes: dict[tuple[str, str], int] | None = None
        self._number = 0

    def mark(self) -> int:
        """Return a marker for `since()`."""
        if self._changes is None:
            self._changes = {}
        return self._number

    def note(self, name: str, mongo_id: Any) -> None:
        """Record that the document changed in MongoDB."""
        if self._changes is not None:
            self._number += 1
            self._changes[name, name_of(mongo_id)] = self._number

    def since(self, name: str, mongo_id: Any, mark: int) -> bool:
        """Return True when the bridge has heard of a change after the mark."""
        if not self._changes:
            return False
        return self._changes.get((name, name_of(mongo_id)), 0) > mark

    def forget(self, mark: int) -> None:
        """Nobody will ask for what came before the mark."""
        if self._changes:
            self._changes = {place: number for place, number in self._changes.items() if number > mark}

    def rest(self) -> None:
        """Nobody will ask."""
        self._changes = None
