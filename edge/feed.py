"""What changes in the store: observers that name the documents that devices, or the bridge itself, have written.

An observer hands over the whole result of its query after every change, which is no way to follow a collection of
200,000 documents. So the query asks for what was written since a moment: Ditto judges a document when it is written,
and `clock() > :since` was false when the observer was registered and holds from then on. (Measured: 1 ms a change, in
a collection of 20,000 documents as in one of 100,000; for the whole collections 60 ms and 400 ms.) Were Ditto to judge
all documents anew, as it does after an EVICT, the result would only be larger than need be. When a result has grown,
a fresh observer takes over; both run side by side for a while, so that nothing falls between them.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

from edge.delta import same
from edge.ledger import key_of
from edge.store import Store, identifier

Document = dict[str, Any]

#: Seconds until a new observer's moment: by then it has to have begun its first look at the collection.
MARGIN: Final = 0.5
#: Seconds after that until the old observer may go, when it is known to have come to the new one's moment; and until
#: it goes, when nothing was written by which that could be known.
_OVERLAP: Final = 0.5
_QUIET: Final = 10.0
#: A result may grow to this, and to the root of the collection's size times the factor: a new observer looks at all
#: documents once (7 us each), an old one hands over its whole result up to 30 times a second (25 us a row); at 100
#: changes a second both together then cost least.
_ROWS: Final = 100
_FACTOR: Final = 1.5


class _Watch:
    """One observer of a collection. ``rows`` is what its last delivery held, by key; None before the first."""

    def __init__(self, store: Store, name: str, margin: float, note: Callable[[str, dict[str, Any]], None]) -> None:
        self.margin = margin
        self.since = time.time() + margin
        self.rows: dict[str, Document] | None = None
        self._name = name
        self._note = note
        dql = f"SELECT * FROM {identifier(name)} WHERE clock() > :since + byte_length(type(_id)) * 0"  # noqa: S608
        self._observer = store.observe(dql, self._deliver, {"since": int(self.since * 1000)})

    def _deliver(self, documents: list[Document]) -> None:
        before, rows = self.rows or {}, {key_of(document["_id"]): document for document in documents}
        self.rows = rows
        news = {key: rows.get(key) for key in rows.keys() | before.keys() if not same(rows.get(key), before.get(key))}
        if news:
            self._note(self._name, news)

    def has_come_to(self, newer: _Watch) -> bool:
        """True when something that was written after the newer one's moment has been delivered by both."""
        rows, theirs = self.rows or {}, newer.rows or {}
        return any(key in rows and same(rows[key], row) for key, row in theirs.items())

    def check(self) -> None:
        """Raise what ended the observer, if anything did."""
        if self._observer.failure is not None:
            raise self._observer.failure

    def cancel(self) -> None:
        """End it."""
        self._observer.cancel()


class Feed:
    """Collects written documents by collection and key until ``take``; ``wake`` is called when there are some.

    ``complete_from``: the time (of time.time()) from which on nothing that is written escapes it. A document that is
    None was deleted; not all deletions are noticed.
    """

    def __init__(self, store: Store, sizes: Mapping[str, int], wake: Callable[[], None]) -> None:
        self._store = store
        self._limits = {name: max(_ROWS, int(_FACTOR * math.sqrt(size))) for name, size in sizes.items()}
        self._wake = wake
        self._lock = Lock()
        self._written: dict[str, dict[str, Document | None]] = defaultdict(dict)
        self._watches = {name: [self._watch(name, MARGIN)] for name in sizes}
        self.complete_from = time.time() + MARGIN

    def take(self) -> dict[str, dict[str, Document | None]]:
        """What was written since the last time."""
        with self._lock:
            written, self._written = self._written, defaultdict(dict)
        return written

    def tend(self) -> None:
        """Replace observers whose results have grown, end those that were replaced; to be called now and then.

        Raises what an observer failed with.
        """
        now = time.time()
        for name, watches in self._watches.items():
            for watch in watches:
                watch.check()
            newest = watches[-1]
            if len(watches) > 1:
                wait = _OVERLAP if watches[0].has_come_to(newest) else _QUIET
                if now > newest.since + wait:
                    watches.pop(0).cancel()
            elif newest.rows is not None and len(newest.rows) > self._limits[name]:
                # One that was full from the start began too late: the next gets more time.
                early = now < newest.since + _OVERLAP
                watches.append(self._watch(name, 2 * newest.margin if early else newest.margin))

    def close(self) -> None:
        """End all observers."""
        for watches in self._watches.values():
            for watch in watches:
                watch.cancel()

    def _watch(self, name: str, margin: float) -> _Watch:
        return _Watch(self._store, name, margin, self._note)

    def _note(self, name: str, written: dict[str, Document | None]) -> None:
        with self._lock:
            self._written[name].update(written)
        self._wake()
