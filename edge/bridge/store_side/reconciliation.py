"""Looking through the store for what differs from the ledger, page by page: what devices wrote unobserved."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final

from edge.bridge.held_deletions import Holds
from edge.bridge.state.state import State
from edge.delta import same
from edge.document_keys import key_of
from edge.store.look_up import chunks, look_up
from edge.store.statements import identifier
from edge.store.store import Store

_PAGE: Final = 100
#: Seconds between two counts of a collection, at least, and the share of the time that counting it may take.
_PERIOD: Final = 1.0
_SHARE: Final = 0.05


def audit(
    store: Store, state: State, holds: Holds, name: str, began: Mapping[str, int] | None = None
) -> Iterator[list[str]]:
    """Keys of documents that differ, page by page; each page is to be taken under the bridge's lock.

    Those that are missing come last, unless they are held. Those that were deleted since ``began`` come by the feed, so
    they do not come here. What is held already stays held while it is missing, whenever it was deleted.
    """
    missing: list[str] = []
    yield [each.key for each in state.unsynced if each.direction == "to MongoDB" and each.collection == name]
    last = ""
    while rows := state.ledger.page(name, last, _PAGE):
        last = rows[-1].key
        found = look_up(store, name, [row.id for row in rows])
        missing += [row.key for row in rows if row.base is not None and row.key not in found]
        yield [row.key for row in rows if row.key in found and not same(found[row.key], row.base)]
    if store.count(name) > state.ledger.live[name] - len(missing):
        documents = store.execute(f"SELECT _id FROM {identifier(name)}")  # noqa: S608 - quoted
        keys = [key_of(document["_id"]) for document in documents]
        for some in chunks(keys, _PAGE):
            there = state.ledger.rows(name, some)
            yield [key for key in some if key not in there]
    if began and missing:  # what was deleted since then comes by the feed
        deleted = set(store.commits.written({name: began[name]}).get(name, ()))
        missing = [key for key in missing if key not in deleted]
    missing += sorted(_gone(store, state, name, list(holds.kept_in_mongo(name) - set(missing))))
    if not holds.keeps_in_mongo(name, missing, state.ledger.live[name]):
        for some in chunks(missing, _PAGE):
            yield list(some)


def carried(store: Store, state: State, holds: Holds, name: str, written: list[str]) -> list[str]:
    """Return the keys of written documents without those that were deleted, if these are too many to be carried."""
    live, kept = state.ledger.live[name], holds.kept_in_mongo(name)
    if not kept and not holds.too_many(name, len(written), live):
        return written
    gone = _gone(store, state, name, written)
    if gone and holds.keeps_in_mongo(name, gone | kept, live):
        return [key for key in written if key not in gone]
    return written


def _gone(store: Store, state: State, name: str, keys: list[str]) -> set[str]:
    """Return the keys of documents that both sides agreed on and the store no longer has."""
    gone: set[str] = set()
    for some in chunks(keys, _PAGE):
        rows = state.ledger.rows(name, some)
        found = look_up(store, name, [row.id for row in rows.values()])
        gone |= {key for key, row in rows.items() if row.base is not None and key not in found}
    return gone


class Census:
    """Notices deletions, which no observer tells of: by counting, which takes no more than a share of the time."""

    def __init__(self, store: Store, state: State, holds: Holds, names: list[str]) -> None:
        self._store = store
        self._state = state
        self._holds = holds
        self._due = dict.fromkeys(names, 0.0)

    def short(self, lock: AbstractContextManager[object]) -> list[str]:
        """Return collections of which the store has fewer documents than expected."""
        found = []
        for name in [name for name, due in self._due.items() if due <= time.monotonic()]:
            started = time.monotonic()
            if self._store.count(name) < self._expected(name):
                with lock:  # seen without the lock it may be a change on its way
                    if self._store.count(name) < self._expected(name) + self._added(name):
                        found.append(name)
            cost = time.monotonic() - started
            self._due[name] = time.monotonic() + max(_PERIOD, cost / _SHARE)
        return found

    def _expected(self, name: str) -> int:
        return self._state.ledger.live[name] - len(self._holds.kept_in_mongo(name))

    def _added(self, name: str) -> int:
        """Documents that devices made and MongoDB did not take."""
        keys = [each.key for each in self._state.unsynced if each.direction == "to MongoDB" and each.collection == name]
        rows = self._state.ledger.rows(name, keys)
        return sum(1 for key in keys if key not in rows or rows[key].base is None)
