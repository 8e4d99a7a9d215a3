"""Events and documents of MongoDB, folded into ledger rows: what each document is after all of them.

An event is folded into the row of its document, the ledger's note of what both sides agreed on (its base). For example,
three events of one read, of which the second was caused by the bridge itself:

    row before                    base {_id: 1, n: 1}, origin {_id: 1, n: 1}
    update by a client: n = 2     base {_id: 1, n: 2}, origin as before: the store is to be changed from 1 to 2
    update by the bridge: m = 7   base and origin have m: 7, which the store has already
    delete by a client            base None: the document is to be removed from the store

If an event does not tell what the document is now, or tells it of a time that the row has passed, the document is
stale: it is read from MongoDB afterwards, and taken as it is then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from edge.bridge.mongo_side.change_stream import as_number
from edge.bridge.state.ledger import Row
from edge.bridge.state.state import State
from edge.bridge.state.unsynced_documents import Unsynced
from edge.bridge.synced_collection import Crossing, Synced
from edge.decoding import can_be_sent
from edge.delta import described, diff, patched
from edge.document_keys import key_of, name_of
from edge.values import Unsyncable

Document = dict[str, Any]
Place = tuple[str, str]

#: Events that end a collection, and what they do.
_ENDS: Final = {"drop": "dropped", "rename": "renamed", "dropDatabase": "dropped with its database"}


class Fold:
    """``touched`` rows by collection and key; ``stale``: documents to read, by collection, since events do not tell.

    ``parked`` could not cross; ``crossed`` did, or are gone; ``ended``: what happened to collections that were
    dropped or renamed.
    """

    def __init__(
        self, state: State, synced: Mapping[str, Synced], sessions: set[bytes], accounted: int, deleted: int
    ) -> None:
        self._ledger = state.ledger
        self._unsynced = state.unsynced
        self._synced = synced
        self._sessions = sessions
        self._accounted = accounted
        self._deleted = deleted
        self._by_id: dict[Place, Row] = {}
        self._by_key: dict[Place, Row | None] = {}
        self.touched: dict[Place, Row] = {}
        self.stale: dict[str, dict[str, Any]] = defaultdict(dict)
        self.parked: dict[Place, Unsynced] = {}
        self.crossed: set[Place] = set()
        self.ended: dict[str, str] = {}

    def load(self, name: str, ids: Sequence[Any]) -> None:
        """Read the rows of MongoDB's documents, for what follows."""
        self.know(self._ledger.rows_by_mongo_id(name, ids))

    def know(self, rows: Iterable[Row]) -> None:
        """Rows that are at hand."""
        for row in sorted(rows, key=lambda row: row.base is not None):
            self._by_id[row.collection, name_of(row.mongo_id)] = row
            self._by_key[row.collection, row.key] = row

    def add(self, event: Document) -> None:
        """One event; those of a collection have to come in their order."""
        kind, name = event["operationType"], event["ns"].get("coll")
        if kind in _ENDS:
            ended = {name, event.get("to", {}).get("coll")} & self._synced.keys() if name else set(self._synced)
            self.ended |= dict.fromkeys(ended, _ENDS[kind])
        elif name in self._synced and "documentKey" in event:
            self._add_change(name, event)

    def _add_change(self, name: str, event: Document) -> None:
        mongo_id, time = event["documentKey"]["_id"], as_number(event["clusterTime"])
        place = (name, name_of(mongo_id))
        row = self._by_id.get(place)
        own = bytes(event.get("lsid", {}).get("id", b"")) in self._sessions
        if own and time <= self._accounted:
            return
        if not own and (place[1] in self.stale[name] or self._is_outdated(place, mongo_id, row, time)):
            self.stale[name][place[1]] = mongo_id
        elif event["operationType"] == "delete":
            self.remove(name, mongo_id, own=own)
        elif (after := self._after(event, row)) is None:
            self.stale[name][place[1]] = mongo_id
        else:
            self._put(place, mongo_id, self._synced[name].crossing(after)[1], own=own)

    def _is_outdated(self, place: Place, mongo_id: Any, row: Row | None, time: int) -> bool:
        """Return whether the row knows more than an event of a client, or the document is to be read anyway.

        One that could not be synced is read again, if it can be: what was wrong with it may be corrected.
        """
        seen = self._deleted if row is None else row.seen
        return time <= seen or ((*place, "to Ditto") in self._unsynced and can_be_sent(mongo_id))

    def take(self, name: str, found: Sequence[Crossing], seen: int, copied: int | None = None) -> None:
        """Documents as MongoDB holds them, read not after the cluster time ``seen``."""
        places = [(name, name_of(mongo_id)) for mongo_id, _ in found]
        self.load(name, [each[0] for place, each in zip(places, found, strict=True) if place not in self._by_id])
        keys = {key_of(new["_id"]) for _, new in found if not isinstance(new, Unsyncable)}
        keys = {key for key in keys if (name, key) not in self._by_key}
        self._by_key.update(dict.fromkeys((name, key) for key in keys))
        self.know(self._ledger.rows(name, keys).values())
        for place, (mongo_id, new) in zip(places, found, strict=True):
            row = self._put(place, mongo_id, new)
            if row is not None:
                row.seen = max(row.seen, seen)
                row.copied = row.copied if copied is None else copied

    def remove(self, name: str, mongo_id: Any, *, own: bool = False) -> None:
        """Add the removal of a document that was deleted in MongoDB."""
        place = (name, name_of(mongo_id))
        self.parked.pop(place, None)
        self.crossed.add(place)
        row = self._by_id.get(place)
        if row is not None and row.base is not None:
            row.base = None
            if own:
                row.origin = None
            self.touched[name, row.key] = row

    def _after(self, event: Document, row: Row | None) -> Document | None:
        """Return the document after the event; None when the event does not tell."""
        if "fullDocument" in event:
            full: Document | None = event["fullDocument"]
            return full
        if row is None or row.base is None or "updateDescription" not in event:
            return None
        before = {**self._synced[row.collection].to_mongo(row.base), "_id": row.mongo_id}
        return described(before, event["updateDescription"])

    def _put(self, place: Place, mongo_id: Any, new: Document | Unsyncable, *, own: bool = False) -> Row | None:
        """Return what a document is now; None when it cannot cross."""
        try:
            if isinstance(new, Unsyncable):
                raise new
            row = self._row(place, mongo_id, key_of(new["_id"]))
        except Unsyncable as error:
            self.crossed.discard(place)
            self.parked[place] = Unsynced(*place, "to Ditto", error.path, error.reason)
            return None
        self.parked.pop(place, None)
        self.crossed.add(place)
        if own:
            row.origin = new if row.origin is None else patched(row.origin, diff(row.base or {}, new))
        row.base = new
        self.touched[place[0], row.key] = row
        return row

    def _row(self, place: Place, mongo_id: Any, key: str) -> Row:
        """Return the row of a document of MongoDB that Ditto is to know by the key; Unsyncable when that cannot be."""
        name, identity = place
        row = self._by_id.get(place)
        if row is not None and row.key == key:
            return row
        if row is not None and row.base is not None:
            fields = " + ".join(self._synced[name].mapping.fields)
            raise Unsyncable(fields, f"an id field changed, which makes {key} of {row.key}; set it back")
        if (name, key) not in self._by_key:
            self._by_key[name, key] = self._ledger.rows(name, [key]).get(key)
        other = self._by_key[name, key] or Row(name, key, mongo_id, None)
        if other.base is not None and name_of(other.mongo_id) != identity:
            raise Unsyncable("", f"another document, {other.mongo_id}, has the same _id {key} in Ditto")
        other.mongo_id = mongo_id
        self._by_id[place] = self._by_key[name, key] = other
        return other
