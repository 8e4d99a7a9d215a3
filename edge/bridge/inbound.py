"""From MongoDB to the store: events and documents are folded into ledger rows, which are then brought to the store.

An event tells what changed since the base, so its delta is applied to the base. Where that does not hold the document
itself is read: it is not in the ledger yet, its base was read after the event (`seen`), it could not cross before, or
the event does not say enough. The bridge's own writes are known by the session they were made in; they move the base
only, and only when a kill kept the bridge from doing so itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from edge.bridge.mongo_side.change_stream import time_of
from edge.bridge.mongo_side.event_folding import Fold
from edge.bridge.mongo_side.recent_changes import Recent
from edge.bridge.state.ledger import Row
from edge.bridge.state.state import State
from edge.bridge.state.store_identity import arrived
from edge.bridge.state.unsynced_documents import Unsynced
from edge.bridge.store_side.store_writer import Arrival, Arrived
from edge.bridge.synced_collection import Crossing, Synced
from edge.decoding import OPTIONS, can_be_sent
from edge.delta import same
from edge.document_keys import name_of
from edge.store.look_up import chunks
from edge.store.store import Store

Document = dict[str, Any]
Positions = Mapping[str, Any]

#: Documents read from MongoDB at once.
_READ: Final = 1_000
#: The position up to which the bridge's own writes are in the ledger.
ACCOUNTED: Final = "accounted"
#: The position of the bridge's own last deletion, after which the ledger knows nothing of the document.
DELETED: Final = "deleted"
#: The number of the last batch that was announced.
_BATCH: Final = "batch"


class Inbound:
    """Applies what happened in MongoDB. To be used under the bridge's lock.

    ``positions`` are remembered together with what they stand for.
    """

    def __init__(
        self,
        database: Database[Document],
        store: Store,
        state: State,
        arrival: Arrival,
        synced: Mapping[str, Synced],
        recent: Recent,
    ) -> None:
        self._database = database.with_options(codec_options=OPTIONS, read_concern=ReadConcern("majority"))
        self._store = store
        self._state = state
        self._arrival = arrival
        self._synced = synced
        self._recent = recent

    def apply(self, events: Sequence[Document], positions: Positions) -> tuple[Arrived, dict[str, str]]:
        """Apply events in their order.

        Gives what arrived, and the collections that were dropped or renamed, which have to be compared as a whole.
        """
        fold = self._fold()
        for name in self._synced:
            met = (event for event in events if event["ns"].get("coll") == name and "documentKey" in event)
            fold.load(name, [event["documentKey"]["_id"] for event in met])
        for event in events:
            fold.add(event)
            if "documentKey" in event:
                self._recent.note(event["ns"]["coll"], event["documentKey"]["_id"])
        for name, stale in fold.stale.items():
            self._read(fold, name, list(stale.values()))
        return self._commit(fold, positions), fold.ended

    def merge(self, name: str, found: Sequence[Crossing], seen: int, copied: int, positions: Positions) -> Arrived:
        """Take documents of MongoDB as they are, read not after the cluster time ``seen``."""
        fold = self._fold()
        fold.take(name, found, seen, copied)
        return self._commit(fold, positions)

    def check(self, name: str, rows: Sequence[Row], copied: int) -> Arrived:
        """Read the documents of these rows again; those that are gone in MongoDB go from the store."""
        fold = self._fold()
        for row in rows:
            row.copied = copied
        fold.know(rows)
        fold.touched = {(row.collection, row.key): row for row in rows}
        self._read(fold, name, [row.mongo_id for row in rows], copied)
        return self._commit(fold, {})

    def gone(self, name: str, rows: Sequence[Row]) -> int:
        """Return how many of these documents MongoDB does not have."""
        ids = [row.mongo_id for row in rows]
        return len(rows) - len(list(self._database[name].find({"_id": {"$in": ids}}, {"_id": 1})))

    def finish(self) -> Arrived:
        """Bring to the store what a killed bridge had announced, unless it has arrived."""
        rows = self._state.ledger.unfinished()
        if not rows:
            return Arrived()
        if arrived(self._store) < self._state.get(_BATCH):
            return self._bring(rows, {})
        with self._state.transaction():
            self._state.ledger.settle(rows)
        return Arrived()

    def _fold(self) -> Fold:
        accounted, deleted = self._state.get(ACCOUNTED) or 0, self._state.get(DELETED) or 0
        return Fold(self._state, self._synced, self._state.sessions(), accounted, deleted)

    def _read(self, fold: Fold, name: str, ids: Sequence[Any], copied: int | None = None) -> None:
        for some in chunks([each for each in ids if can_be_sent(each)], _READ):
            with self._database.client.start_session() as session:
                found = list(self._database[name].find({"_id": {"$in": list(some)}}, session=session))
                seen = time_of(session)
            fold.take(name, [self._synced[name].crossing(document) for document in found], seen, copied)
            there = {name_of(document["_id"]) for document in found}
            for identity in some:
                if name_of(identity) not in there:
                    fold.remove(name, identity)

    def _commit(self, fold: Fold, positions: Positions) -> Arrived:
        rows = list(fold.touched.values())
        moving = [row for row in rows if not same(row.origin, row.base)]
        with self._state.transaction():
            self._state.ledger.save(row for row in rows if same(row.origin, row.base))
            if moving:
                self._state.put(_BATCH, (self._state.get(_BATCH) or 0) + 1)
                self._state.ledger.announce(moving)
            for document in fold.parked.values():
                self._state.unsynced.park(document)
            self._state.unsynced.unpark("to Ditto", fold.crossed)
            if not moving:
                self._remember(positions)
        return self._bring(moving, positions) if moving else Arrived()

    def _bring(self, rows: Sequence[Row], positions: Positions) -> Arrived:
        brought = self._arrival.bring(rows, self._state.get(_BATCH))
        with self._state.transaction():
            self._state.ledger.settle(rows)
            for row, reason in brought.refused:
                row.base = row.origin
                why = f"Ditto rejects it: {reason}"
                self._state.unsynced.park(Unsynced(row.collection, name_of(row.mongo_id), "to Ditto", "", why))
            self._state.ledger.save(row for row, _ in brought.refused)
            self._remember(positions)
        return brought

    def _remember(self, positions: Positions) -> None:
        for name, value in positions.items():
            self._state.put(name, value)
