"""Copying: every document of a collection, page by page in the order of _id, resumable at every page.

The same pass serves the first time and whenever both sides have to be compared as a whole (a position that MongoDB no
longer knows, a dropped collection, `zava trigger-initial-sync`): what is as the ledger says is passed over, and what
the pass has not met is gone in MongoDB.

While a page goes into the store, the next is read and converted. A document that changes in between is left out of its
page (Recent): the event has said what it is now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

from bson import MaxKey, decode_all
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from edge.bridge.held_deletions import Holds
from edge.bridge.inbound import Inbound
from edge.bridge.mongo_side.change_stream import time_of
from edge.bridge.mongo_side.recent_changes import Recent
from edge.bridge.state.state import State
from edge.bridge.store_side.store_writer import Arrived
from edge.bridge.synced_collection import Crossing, Synced
from edge.decoding import OPTIONS, can_be_sent

Document = dict[str, Any]
Position = Mapping[str, Any]


@dataclass(frozen=True)
class _Page:
    """Documents with their _ids in MongoDB, read at the ``mark`` and not after the cluster time ``seen``."""

    crossings: list[Crossing]
    mark: int
    seen: int


class InitialCopy:
    """Copies what was begun. To be used under the bridge's lock."""

    def __init__(
        self,
        database: Database[Document],
        state: State,
        inbound: Inbound,
        synced: Mapping[str, Synced],
        recent: Recent,
        holds: Holds,
        batch_size: int,
    ) -> None:
        self._database = database.with_options(codec_options=OPTIONS, read_concern=ReadConcern("majority"))
        self._state = state
        self._inbound = inbound
        self._synced = synced
        self._recent = recent
        self._holds = holds
        self._batch_size = batch_size
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="bridge-copy")
        self._ahead: tuple[str, Position, Future[_Page]] | None = None

    def close(self) -> None:
        """Read no further."""
        self._reader.shutdown(cancel_futures=True)

    def begin(self, names: Iterable[str], *, dropped: bool = False) -> None:
        """Have these collections copied, or compared, from their beginning; ``dropped`` if they were, or renamed."""
        for name in names:
            before = self._position(name)
            known = dropped or (before.get("dropped", False) and (before.get("held") or not before.get("done")))
            self._state.put(_at(name), {"pass": before.get("pass", 0) + 1, "copied": 0, "dropped": bool(known)})

    def begun(self, name: str) -> bool:
        """Return True when the collection was ever copied, or is being copied."""
        return bool(self._position(name))

    def skip(self, name: str) -> None:
        """Take the collection for copied."""
        self._state.put(_at(name), {"pass": 1, "copied": 0, "done": True})

    def held(self, name: str) -> bool:
        """Return True when documents that are gone in MongoDB were held in the store."""
        return bool(self._position(name).get("held"))

    def wanted(self, name: str) -> bool:
        """Return True when there is something left to copy."""
        return self.begun(name) and not self._position(name).get("done")

    def copied(self, name: str) -> int:
        """Return how many documents the pass has met so far."""
        return int(self._position(name).get("copied", 0))

    def size(self, name: str) -> int:
        """About how many documents MongoDB has."""
        return int(self._database[name].estimated_document_count())

    def step(self, name: str) -> tuple[int, Arrived]:
        """Copy the next page; how many documents it had, 0 when the collection is done."""
        position = self._position(name)
        page = self._take(name, position)
        if not page.crossings:
            return 0, self._finish(name, position)
        last = page.crossings[-1][0]
        # A page ends at an _id that cannot be sent only where nothing follows.
        bound = last if can_be_sent(last) else MaxKey()
        after = {**position, "copied": position["copied"] + len(page.crossings), "last": bound}
        self._ahead = (name, after, self._reader.submit(self._read, name, after, self._recent.mark()))
        fresh = [each for each in page.crossings if not self._recent.since(name, each[0], page.mark)]
        self._recent.forget(page.mark)
        return len(page.crossings), self._inbound.merge(name, fresh, page.seen, position["pass"], {_at(name): after})

    def _position(self, name: str) -> Position:
        found: Position = self._state.get(_at(name)) or {}
        return found

    def _take(self, name: str, position: Position) -> _Page:
        """Return the page after the position, which is read already if the last step was the one before."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[:2] == (name, position):
            return ahead[2].result()
        return self._read(name, position, self._recent.mark())

    def _read(self, name: str, position: Position, mark: int) -> _Page:
        """At most a batch, and at most what MongoDB sends at once (16 MB)."""
        last = position.get("last")
        with self._database.client.start_session() as session:
            cursor = self._database[name].find_raw_batches(
                # As an expression, $gt goes on past the last _id of one type to those of the next, MaxKey included.
                {"$expr": {"$gt": ["$_id", {"$literal": last}]}} if "last" in position else {},
                sort=[("_id", 1)],
                hint=[("_id", 1)],
                batch_size=self._batch_size,
                session=session,
            )
            with cursor:
                found: list[Document] = []
                seen = 0
                for batch in cast(Iterator[bytes], cursor):
                    found += decode_all(batch, OPTIONS)
                    seen = seen or time_of(session)  # when the first of them was read
                    if found and can_be_sent(found[-1]["_id"]):  # the next page is asked for from there
                        break
        return _Page([self._synced[name].crossing(document) for document in found], mark, seen)

    def _finish(self, name: str, position: Position) -> Arrived:
        """Look again for what the pass has not met: it is gone in MongoDB, or was made while the pass went on."""
        self._recent.rest()
        arrived, dropped = Arrived(), position.get("dropped", False)
        held = self._holds.keeps_in_store(
            name, self._gone(name, position["pass"]), self._state.ledger.live[name], dropped=dropped
        )
        while not held and (rows := self._state.ledger.not_met(name, position["pass"], self._batch_size)):
            arrived += self._inbound.check(name, rows, position["pass"])
        with self._state.transaction():
            self._state.put(_at(name), {**position, "done": True, "held": held})
        return arrived

    def _gone(self, name: str, copied: int) -> int:
        """Return how many documents of the store MongoDB does not have."""
        last, gone = "", 0
        while rows := self._state.ledger.not_met(name, copied, self._batch_size, last):
            last = rows[-1].key
            gone += self._inbound.gone(name, rows)
        return gone


def _at(name: str) -> str:
    return f"copy.{name}"
