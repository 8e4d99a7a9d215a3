"""The ledger: for each document, the content on which MongoDB and the store last agreed.

What a side changed is the difference from there (the base), so that a change is never taken for news when it comes
back, and a repetition changes nothing.

A change on its way to the store is announced first, with the base before it; after a kill, `unfinished` tells what
may or may not have arrived.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import bson

from edge.decoding import can_be_sent
from edge.document_keys import id_of, is_plain, key_of

Document = dict[str, Any]

TABLE: Final = """
CREATE TABLE IF NOT EXISTS ledger (
    collection TEXT NOT NULL, key TEXT NOT NULL, mongo_id BLOB, base BLOB,
    seen INTEGER NOT NULL, pass INTEGER NOT NULL, PRIMARY KEY (collection, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_mongo_id ON ledger (collection, mongo_id) WHERE mongo_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS announced (
    collection TEXT NOT NULL, key TEXT NOT NULL, mongo_id BLOB, base BLOB,
    seen INTEGER NOT NULL, pass INTEGER NOT NULL, origin BLOB
);
"""
_COLUMNS: Final = "collection, key, mongo_id, base, seen, pass"
#: Parameters of one statement; SQLite takes at least 999.
_CHUNK: Final = 500


@dataclass
class Row:
    """A document in the ledger.

    ``base`` None: it was deleted. ``origin`` is the base before what is being done now. ``mongo_id`` is MongoDB's _id
    as it is there. ``seen`` is the cluster time up to which MongoDB's changes are in the base: events that are not
    younger tell nothing new. ``copied`` is the pass of copying that met it last.
    """

    collection: str
    key: str
    mongo_id: Any
    base: Document | None
    seen: int = 0
    copied: int = 0
    origin: Document | None = None
    counted: bool = False

    @property
    def id(self) -> Any:
        """Ditto's _id."""
        return id_of(self.key)


class Ledger:
    """The table. ``live`` counts the documents of each collection that are there on both sides."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(TABLE)
        found = database.execute("SELECT collection, count(base) FROM ledger GROUP BY collection")
        self.live: Counter[str] = Counter(dict(found))
        #: Collections that have a document whose _id differs between both sides.
        self._mapped = {
            each[0] for each in database.execute("SELECT DISTINCT collection FROM ledger WHERE mongo_id IS NOT NULL")
        }

    def rows(self, collection: str, keys: Iterable[str]) -> dict[str, Row]:
        """Return the documents by key; those that are not there are left out."""
        return {row.key: row for row in self._among(collection, "key", list(keys))}

    def rows_by_mongo_id(self, collection: str, ids: Sequence[Any]) -> list[Row]:
        """MongoDB's documents, deleted ones included."""
        ids = [each for each in ids if can_be_sent(each)]
        plain = self._among(collection, "key", [key_of(each) for each in ids if is_plain(each)])
        same = [row for row in plain if _is_same(row)]
        if len(same) == len(ids) or collection not in self._mapped:
            return same
        return same + self._among(collection, "mongo_id", [_mongo_key(each) for each in ids])

    def page(self, collection: str, after: str, size: int) -> list[Row]:
        """Return the next documents in the order of their keys, deleted ones included."""
        return self._read("collection = ? AND key > ? ORDER BY key LIMIT ?", (collection, after, size))

    def not_met(self, collection: str, copied: int, size: int, after: str = "") -> list[Row]:
        """Documents that the pass of copying has not met, in the order of their keys."""
        where = "collection = ? AND key > ? AND pass < ? AND base IS NOT NULL ORDER BY key LIMIT ?"
        return self._read(where, (collection, after, copied, size))

    def announce(self, rows: Iterable[Row]) -> None:
        """Write down that these rows are on their way to the store, from their origins to their bases."""
        written = ((*_written(row), None if row.origin is None else bson.encode(row.origin)) for row in rows)
        self._database.executemany("INSERT INTO announced VALUES (?, ?, ?, ?, ?, ?, ?)", written)

    def unfinished(self) -> list[Row]:
        """Return what was announced and not settled; ``origin`` is the base before the change."""
        found = []
        for *columns, origin in self._database.execute(f"SELECT {_COLUMNS}, origin FROM announced"):  # noqa: S608
            row = _row(*columns)
            row.origin = None if origin is None else bson.decode(origin)
            row.counted = row.origin is not None
            found.append(row)
        return found

    def settle(self, rows: Iterable[Row]) -> None:
        """Commit these announced rows to the ledger."""
        self._database.execute(f"REPLACE INTO ledger SELECT {_COLUMNS} FROM announced")  # noqa: S608
        self._database.execute("DELETE FROM announced")
        for row in rows:
            self._count(row)

    def save(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        rows = list(rows)
        self._database.executemany("REPLACE INTO ledger VALUES (?, ?, ?, ?, ?, ?)", map(_written, rows))
        for row in rows:
            self._count(row)

    def _count(self, row: Row) -> None:
        if not _is_same(row):
            self._mapped.add(row.collection)
        self.live[row.collection] += (row.base is not None) - row.counted
        row.counted = row.base is not None

    def remove(self, rows: Iterable[Row]) -> None:
        """Forget documents, as if they had never been."""
        for row in rows:
            self._database.execute("DELETE FROM ledger WHERE collection = ? AND key = ?", (row.collection, row.key))
            self.live[row.collection] -= row.counted
            row.counted = False

    def clear(self) -> None:
        """Forget every document."""
        for table in ("ledger", "announced"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
        self.live.clear()

    def _among(self, collection: str, column: str, values: list[Any]) -> list[Row]:
        found: list[Row] = []
        for start in range(0, len(values), _CHUNK):
            chunk = values[start : start + _CHUNK]
            found += self._read(f"collection = ? AND {column} IN ({','.join('?' * len(chunk))})", (collection, *chunk))
        return found

    def _read(self, where: str, arguments: tuple[Any, ...]) -> list[Row]:
        return [
            _row(*found)
            for found in self._database.execute(f"SELECT {_COLUMNS} FROM ledger WHERE {where}", arguments)  # noqa: S608
        ]


def _row(collection: str, key: str, mongo_id: bytes | None, base: bytes | None, seen: int, copied: int) -> Row:
    content = None if base is None else bson.decode(base)
    identity = id_of(key) if mongo_id is None else bson.decode(mongo_id)["id"]
    return Row(collection, key, identity, content, seen, copied, content, counted=content is not None)


def _written(row: Row) -> tuple[str, str, bytes | None, bytes | None, int, int]:
    mongo_id = None if _is_same(row) else _mongo_key(row.mongo_id)
    base = None if row.base is None else bson.encode(row.base)
    return row.collection, row.key, mongo_id, base, row.seen, row.copied


def _is_same(row: Row) -> bool:
    """Return True when both sides have the same _id."""
    return is_plain(row.mongo_id) and key_of(row.mongo_id) == row.key


def _mongo_key(identity: Any) -> bytes:
    return bson.encode({"id": identity})
