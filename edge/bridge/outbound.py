"""From the store to MongoDB: what devices changed since the base, as field updates in transactions of the bridge's own.

A field is written only where MongoDB still holds the base's value: otherwise somebody changed it there, the event is on
its way, and MongoDB's value stands. What MongoDB refuses is parked with its reason, and tried again when the document
changes. Where others write the same documents, fewer go in one transaction.

Every transaction runs in one session, by which its events are known when they come back; it is of a client of the
bridge's own, because a client lends the sessions of those who have ended to whoever comes next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event
from typing import Any

from bson import Binary
from bson.binary import UUID_SUBTYPE
from pymongo import MongoClient, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from conformance.ditto.connector import RetryStrategy
from edge.bridge.conflicts import Change, Planning
from edge.bridge.held_deletions import Holds
from edge.bridge.inbound import ACCOUNTED, DELETED
from edge.bridge.mongo_side.backoff import batch_delays, link_delays
from edge.bridge.mongo_side.change_stream import time_of
from edge.bridge.mongo_side.recent_changes import Recent
from edge.bridge.mongo_side.write_errors import UNWRITABLE, concerns_all, is_busy, reason
from edge.bridge.state.ledger import Row
from edge.bridge.state.state import State
from edge.bridge.state.unsynced_documents import Unsynced
from edge.bridge.synced_collection import Crossing, Synced
from edge.decoding import OPTIONS
from edge.delta import same
from edge.document_keys import id_of
from edge.store.commits import TOO_DEEP
from edge.store.look_up import UNREADABLE, chunks, look_up
from edge.store.store import Store
from edge.values import Unsyncable

Document = dict[str, Any]


@dataclass
class Flushed:
    """``unknown``: documents that MongoDB holds and the ledger does not, read at ``seen``; they are to be merged.

    ``conflicts``: fields that stay as MongoDB has changed them; they are conflicts of the store when the events arrive.
    ``busy``: keys of documents that others were writing each time; they are to be carried again.
    """

    written: int = 0
    conflicts: int = 0
    unknown: list[Crossing] = field(default_factory=list)
    seen: int = 0
    busy: list[str] = field(default_factory=list)


class Outbound:
    """Carries changes of devices. To be used under the bridge's lock.

    ``link`` makes a client of its own, which ``close`` closes; ``name`` is the database's.
    """

    def __init__(
        self,
        link: Callable[[], MongoClient[Document]],
        name: str,
        store: Store,
        state: State,
        synced: Mapping[str, Synced],
        *,
        maps: bool,
        recent: Recent,
        holds: Holds,
        retry: RetryStrategy,
        stop: Event,
    ) -> None:
        self._link = link
        self._name = name
        self._store = store
        self._state = state
        self._synced = synced
        self._maps = maps
        self._recent = recent
        self._holds = holds
        self._retry = retry
        self._stop = stop

    @cached_property
    def _database(self) -> Database[Document]:
        return self._link().get_database(self._name, codec_options=OPTIONS)

    @cached_property
    def _session(self) -> ClientSession:
        session = self._database.client.start_session()
        with self._state.transaction():
            self._state.add_session(bytes(session.session_id["id"]))
        return session

    def end_what_was_left(self) -> None:
        """End transactions of runs that were killed, which else hold their documents for a minute.

        Not everyone may do so where ids of sessions are guarded; then they end by themselves.
        """
        sessions = [{"id": Binary(each, UUID_SUBTYPE)} for each in self._state.sessions()]
        if sessions:
            with suppress(OperationFailure):
                self._database.client.admin.command("killSessions", sessions)

    def close(self) -> None:
        """End the session and its client, where there was a need of them."""
        if "_session" in vars(self):
            self._session.end_session()
        if "_database" in vars(self):
            self._database.client.close()

    def flush(self, name: str, keys: Sequence[str]) -> Flushed:
        """Carry what devices changed in these documents.

        Raises a PyMongoError for which mongo_side.change_stream.passes is true when MongoDB is out of reach: what was
        on the way is found again by its events.
        """
        flushed = Flushed()
        rows = self._state.ledger.rows(name, keys)
        found = look_up(self._store, name, [id_of(key) for key in keys])
        changes = [self._change(name, key, rows.get(key), found.get(key)) for key in keys]
        delays = batch_delays(self._retry)
        self._carry(name, [change for change in changes if change is not None], flushed, delays)
        return flushed

    def _change(self, name: str, key: str, row: Row | None, document: Document | None) -> Change | None:
        """Return what there is to carry; None when there is nothing, or nothing that could be."""
        alive = row is not None and row.base is not None
        if (row is not None and same(row.base, document)) or (document is None and not alive):
            if (name, key, "to MongoDB") in self._state.unsynced:
                with self._state.transaction():
                    self._state.unsynced.unpark("to MongoDB", [(name, key)])
            return None
        if document is None:
            return None if key in self._holds.kept_in_mongo(name) else Change(key, row, None)
        known = self._state.unsynced.get(name, key, "to MongoDB")
        if known is not None and known.content == _trial(document):
            return None
        change = Change(key, row, document)
        try:
            if document is UNREADABLE:
                raise Unsyncable("", TOO_DEEP)
            if row is not None and not alive:
                raise Unsyncable("", "it was deleted in MongoDB, and a deletion is final")
            change.made = self._synced[name].to_mongo(document)
        except Unsyncable as error:
            self._park(name, change, error.path, error.reason)
            return None
        return change

    def _carry(self, name: str, changes: Sequence[Change], flushed: Flushed, delays: Iterator[float]) -> None:
        """Write the changes in one transaction; in two after a conflict, one by one when one is refused, whatever for.

        The fewer documents a transaction has, the likelier it is that nobody else writes one of them meanwhile.
        """
        if not changes:
            return
        try:
            self._attempt(name, changes, flushed)
        except UNWRITABLE as error:
            busy = is_busy(error)
            if not busy and concerns_all(error):
                raise
            delay = next(delays, None) if busy else None
            if delay is not None:
                self._stop.wait(delay)
            if len(changes) > 1:
                for part in chunks(changes, (len(changes) + 1) // 2 if busy else 1):
                    self._carry(name, part, flushed, delays)
            elif delay is not None:
                self._carry(name, changes, flushed, delays)
            elif busy:
                flushed.busy.append(changes[0].key)
            else:
                self._park(name, changes[0], *reason(error, changes[0].made))

    def _attempt(self, name: str, changes: Sequence[Change], flushed: Flushed) -> None:
        session = self._session
        session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority"))
        try:
            planning = Planning(self._database[name], session, self._synced[name], maps=self._maps)
            plan = planning.plan(changes, held=self._holds.kept_in_store(name))
            if plan.operations:
                self._database[name].bulk_write(plan.operations, session=session)
                self._commit()
        finally:
            if session.in_transaction:
                session.abort_transaction()
        flushed.seen = time_of(session)
        flushed.written += len(plan.operations)
        self._holds.note(name, len(plan.gone))
        flushed.conflicts += plan.conflicts
        flushed.unknown += plan.unknown
        for change, error in plan.refused:
            self._park(name, change, error.path, error.reason)
        for row in plan.after + plan.gone:
            self._recent.note(name, row.mongo_id)
        for row in plan.after:  # what happened before is no news when the bridge hears of it
            row.seen = max(row.seen, flushed.seen)
        with self._state.transaction():
            self._state.ledger.save(plan.after)
            self._state.ledger.remove(plan.gone)
            self._state.unsynced.unpark("to MongoDB", [(name, row.key) for row in plan.after + plan.gone])
            if plan.operations:
                self._state.put(ACCOUNTED, flushed.seen)
            if plan.gone:
                self._state.put(DELETED, flushed.seen)

    def _commit(self) -> None:
        """Commit; as long as the server does not say whether it did, ask it again."""
        for delay in link_delays(self._retry.jitter):
            try:
                self._session.commit_transaction()
                return
            except PyMongoError as error:
                if not error.has_error_label("UnknownTransactionCommitResult") or self._stop.is_set():
                    raise
                self._stop.wait(delay)

    def _park(self, name: str, change: Change, path: str, why: str) -> None:
        content = None if change.document is None else _trial(change.document)
        with self._state.transaction():
            self._state.unsynced.park(Unsynced(name, change.key, "to MongoDB", path, why, content=content))


def _trial(document: Document) -> bytes:
    """Stands for the content that was tried."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=repr).encode()).digest()
