"""Documents that could not cross, each with the reason; what the managed connector keeps as its unsynced documents.

None is dropped: it stays here until it changes and crosses, or is gone on the side it came from.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Final, Literal

Direction = Literal["to Ditto", "to MongoDB"]

TABLE: Final = """
CREATE TABLE IF NOT EXISTS unsynced_documents (
    collection TEXT NOT NULL, key TEXT NOT NULL, direction TEXT NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL,
    since TEXT NOT NULL, content BLOB,
    PRIMARY KEY (collection, key, direction)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Unsynced:
    """``key`` is the _id on the side it comes from, as text; ``path`` the field at fault, "" for the whole.

    ``content`` stands for what was tried: it is tried again when that has changed.
    """

    collection: str
    key: str
    direction: Direction
    path: str
    reason: str
    since: str = ""
    content: bytes | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, str]:
        """For people and scripts."""
        names = ("collection", "key", "direction", "path", "reason", "since")
        return {name: str(getattr(self, name)) for name in names}


class UnsyncedDocuments:
    """The table, and the same in memory: every change asks whether its document is in it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(TABLE)
        self._all = {_place(each): each for each in self._read()}

    def __contains__(self, place: tuple[str, str, Direction]) -> bool:
        return place in self._all

    def __iter__(self) -> Iterator[Unsynced]:
        """Every document that could not cross."""
        return iter(list(self._all.values()))

    def get(self, collection: str, key: str, direction: Direction) -> Unsynced | None:
        """Return the document, if it could not cross."""
        return self._all.get((collection, key, direction))

    def park(self, document: Unsynced) -> None:
        """Write down that a document could not cross; since when is kept if it is known already."""
        known = self._all.get(_place(document))
        document = replace(document, since=known.since if known else _now())
        self._database.execute(
            "REPLACE INTO unsynced_documents VALUES (?, ?, ?, ?, ?, ?, ?)",
            tuple(getattr(document, each.name) for each in fields(document)),
        )
        self._all[_place(document)] = document

    def unpark(self, direction: Direction, places: Iterable[tuple[str, str]]) -> None:
        """Remove documents from the unsynced ones, by collection and key."""
        for collection, key in places:
            if self._all.pop((collection, key, direction), None) is not None:
                self._database.execute(
                    "DELETE FROM unsynced_documents WHERE collection = ? AND key = ? AND direction = ?",
                    (collection, key, direction),
                )

    def clear(self) -> None:
        """Forget every document."""
        self._database.execute("DELETE FROM unsynced_documents")
        self._all.clear()

    def _read(self) -> Iterator[Unsynced]:
        names = ", ".join(each.name for each in fields(Unsynced))
        return (Unsynced(*found) for found in self._database.execute(f"SELECT {names} FROM unsynced_documents"))  # noqa: S608


def _place(document: Unsynced) -> tuple[str, str, Direction]:
    return document.collection, document.key, document.direction


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
