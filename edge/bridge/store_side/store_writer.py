"""Decide conflicts of MongoDB's changes with devices: write ledger rows to the store, all in one transaction.

Each row is written as the smallest change from its origin to its base.
The rules, where a device has changed the same document and MongoDB does not know it yet:
- other fields keep what the device wrote, and it is pushed to MongoDB afterwards;
- for the same field MongoDB's value wins, which is counted as a conflict; a number that only changed its type is not
  an edit;
- a deletion is final, on whichever side it happened.

The transaction also writes the number of the batch into the store (see state/store_identity.py), so that after a kill
it is known whether the batch was written.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.errors import TargetError
from edge.bridge.state.ledger import Row
from edge.bridge.state.store_identity import arrival
from edge.delta import MISSING, Delta, Path, as_dql, diff, equivalent, patched, same, value_at
from edge.document_keys import key_of
from edge.store.commits import TOO_DEEP
from edge.store.look_up import UNREADABLE, chunks, look_up
from edge.store.statements import StatementError, identifier
from edge.store.store import ROOM, Store

Document = dict[str, Any]
Statement = tuple[str, Mapping[str, Any]]

#: Documents of one INSERT.
_INSERT: Final = 1_000
#: The clause by which an INSERT skips existing documents.
_AROUND: Final = " ON ID CONFLICT DO NOTHING"
#: A field holds a value of each kind (register, map, counter), of which one shows; removing it may show another.
_KINDS: Final = 3


@dataclass
class Arrived:
    """``differing``: documents that hold more than MongoDB knows. ``refused``: what Ditto would not take, and why."""

    written: int = 0
    conflicts: int = 0
    differing: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[Row, str]] = field(default_factory=list)

    def __add__(self, other: Arrived) -> Arrived:
        return Arrived(
            self.written + other.written,
            self.conflicts + other.conflicts,
            self.differing + other.differing,
            self.refused + other.refused,
        )


@dataclass(frozen=True)
class _Write:
    """Statements about one document, or one INSERT of several that are ``new``."""

    rows: Sequence[Row]
    statements: Sequence[Statement]
    new: bool = False


class Arrival:
    """Writes to the store. ``maps`` False: objects are replaced whole, as in Ditto's strict mode."""

    def __init__(self, store: Store, *, maps: bool) -> None:
        self._store = store
        self._maps = maps

    def bring(self, rows: Iterable[Row], batch: int) -> Arrived:
        """Bring the store from each row's origin to its base, and write the batch's number with it.

        Raises TargetError when the store cannot be written.
        """
        self._require_room()
        arrived = Arrived()
        by_collection = self._writable(rows, arrived)
        writes: list[_Write] = []
        for collection, some in by_collection.items():
            new = [row for row in some if row.origin is None and row.base is not None]
            writes += [_insert(collection, part) for part in chunks(new, _INSERT)]
            changed = [row for row in some if row.origin is not None and row.base is not None]
            writes += self._updates(collection, changed, arrived)
            writes += [_delete(row) for row in some if row.base is None]
        there = self._write(writes, batch, arrived)
        for collection in by_collection:
            met = [row for row in there if row.collection == collection]
            self._write(list(self._updates(collection, met, arrived)), batch, arrived)
        return arrived

    def _writable(self, rows: Iterable[Row], arrived: Arrived) -> Mapping[str, list[Row]]:
        """Return the rows by collection, without those whose documents the engine cannot change."""
        by_collection: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_collection[row.collection].append(row)
        for collection, some in by_collection.items():
            unreadable = self._store.commits.unreadable(collection)
            hidden = [row for row in some if row.key in unreadable] if unreadable else []
            if hidden:
                there = look_up(self._store, collection, [row.id for row in hidden])
                refused = [row.key for row in hidden if there.get(row.key) is UNREADABLE]
                arrived.refused += [(row, TOO_DEEP) for row in hidden if row.key in refused]
                by_collection[collection] = [row for row in some if row.key not in refused]
        return by_collection

    def _require_room(self) -> None:
        free = shutil.disk_usage(self._store.directory).free
        if free < ROOM:  # on a full disk the SDK would end the process
            raise TargetError(
                f"{self._store.directory}: {free:,} bytes are free there, and the store needs {ROOM:,}: make room and"
                " start again: nothing is lost"
            )

    def _updates(self, collection: str, rows: Sequence[Row], arrived: Arrived) -> Iterator[_Write]:
        found = look_up(self._store, collection, [row.id for row in rows])
        for row in rows:
            document = found.get(row.key)
            if document is None or document is UNREADABLE:  # a device deleted it, or has just nested it too deep
                arrived.differing.append((row.collection, row.key))
            elif delta := self._delta(row, document, arrived):
                yield _Write([row], list(_statements(row, document, delta)))

    def _delta(self, row: Row, found: Document, arrived: Arrived) -> Delta:
        """Return what to write so that MongoDB's change arrives and the device's stays."""
        base = row.base or {}
        wanted = diff(found if row.origin is None else row.origin, base, maps=self._maps)
        if row.origin is None:  # two documents that never agreed: what only the device has stays
            wanted = Delta(wanted.set)
        changes: dict[Path, Any] = {}
        for path, value in wanted.items():
            now = value_at(found, path)
            before = value_at(row.origin, path)
            edited = row.origin is not None and not equivalent(now, before) and not equivalent(now, value)
            if same(now, value) or (edited and equivalent(before, value)):
                continue
            arrived.conflicts += edited
            changes[path] = value
        delta = Delta.of(changes)
        if not same(patched(found, delta), base):
            arrived.differing.append((row.collection, row.key))
        return delta

    def _write(self, writes: Sequence[_Write], batch: int, arrived: Arrived) -> list[Row]:
        """Write all in one transaction; gives back rows of new documents that were there, with whatever content."""
        if not writes:
            return []
        try:
            commit = self._store.commit([*_all(writes), arrival(batch)])
        except StatementError:
            return self._write_around(writes, batch, arrived)
        if all(write.new for write in writes):  # no device can have written these documents before
            self._store.commits.pass_over(commit)
        arrived.written += sum(len(write.rows) for write in writes)
        return []

    def _write_around(self, writes: Sequence[_Write], batch: int, arrived: Arrived) -> list[Row]:
        """Write again without the existing documents, or one by one after another error."""
        writes = [_insert(write.rows[0].collection, write.rows, _AROUND) if write.new else write for write in writes]
        there: list[Row] = []
        try:
            done = iter(self._store.write([*_all(writes), arrival(batch)]))
        except StatementError:
            alone = [_insert(row.collection, [row], _AROUND) for write in writes if write.new for row in write.rows]
            for write in [*alone, *(write for write in writes if not write.new)]:
                there += self._write_alone(write, arrived)
            self._store.write([arrival(batch)])
            return there
        for write in writes:
            made = [next(done) for _ in write.statements][-1]
            arrived.written += len(made) if write.new else 1
            if write.new and len(made) < len(write.rows):
                keys = set(map(key_of, made))
                there += [row for row in write.rows if row.key not in keys]
        return there

    def _write_alone(self, write: _Write, arrived: Arrived) -> Sequence[Row]:
        """Write one document, of several that were refused together."""
        try:
            made = self._store.write(write.statements)[-1]
        except StatementError as error:
            arrived.refused += [(row, str(error)) for row in write.rows]
            return ()
        if write.new and not made:
            return write.rows
        arrived.written += 1
        return ()


def _all(writes: Sequence[_Write]) -> Iterator[Statement]:
    return (statement for write in writes for statement in write.statements)


def _insert(collection: str, rows: Sequence[Row], clause: str = "") -> _Write:
    dql = f"INSERT INTO {identifier(collection)} DOCUMENTS (:documents){clause}"
    return _Write(rows, [(dql, {"documents": [row.base for row in rows]})], new=True)


def _delete(row: Row) -> _Write:
    return _Write([row], [(f"DELETE FROM {identifier(row.collection)} WHERE _id = :id", {"id": row.id})])  # noqa: S608


def _statements(row: Row, found: Document, delta: Delta) -> Iterator[Statement]:
    """Yield the change in DQL; removed values, and those that change from or to an object, lose all variants."""
    turns = []
    for path, value in delta.items():
        now = value_at(found, path)
        if value is MISSING or (now is not MISSING and (type(now) is dict) != (type(value) is dict)):
            turns.append(path)
    if turns:
        yield from [as_dql(row.collection, row.id, Delta({}, tuple(turns)))] * _KINDS
    if delta.set:
        yield as_dql(row.collection, row.id, Delta(delta.set))
