"""From the store to MongoDB: what devices changed since the base, as field updates in transactions of the bridge's own.

A field is written only where MongoDB still holds the base's value: otherwise somebody changed it there, the event is on
its way, and MongoDB's value stands. What MongoDB refuses is parked with its reason, and tried again when the document
changes. Every transaction runs in one session, by which its events are known when they come back; it is of a client of
the bridge's own, because a client lends the sessions of those who have ended to whoever comes next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Event
from typing import Any

from bson import Binary, ObjectId
from bson.binary import UUID_SUBTYPE
from pymongo import DeleteOne, InsertOne, MongoClient, UpdateOne, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from conformance.collation import SIMPLE
from conformance.connection import OPTIONS
from conformance.connector import RetryStrategy
from edge.change_stream import time_of
from edge.commits import TOO_DEEP
from edge.delta import Delta, Path, as_mongo, diff, patched, same, value_at
from edge.inbound import ACCOUNTED
from edge.ledger import Row, id_of, key_of, name_of
from edge.look_up import UNREADABLE, look_up
from edge.pace import batch_delays, link_delays
from edge.recent import Recent
from edge.refusal import reason
from edge.state import State
from edge.store import Store
from edge.synced import Crossing, Synced
from edge.unsynced import Unsynced
from edge.values import Unsyncable

Document = dict[str, Any]


@dataclass
class Change:
    """A document that differs from its base. ``document`` None: a device deleted it; ``row`` None: it is new."""

    key: str
    row: Row | None
    document: Document | None
    made: Document = field(default_factory=dict)


@dataclass
class Flushed:
    """``unknown``: documents that MongoDB holds and the ledger does not, read at ``seen``; they are to be merged."""

    written: int = 0
    conflicts: int = 0
    unknown: list[Crossing] = field(default_factory=list)
    seen: int = 0


_Held = tuple[Document, Document]  # as MongoDB has it, and as Ditto would


@dataclass
class _Plan:
    operations: list[InsertOne[Document] | UpdateOne | DeleteOne] = field(default_factory=list)
    after: list[Row] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)


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

        Raises a PyMongoError for which edge.change_stream.passes is true when MongoDB is out of reach: what was on the
        way is found again by its events.
        """
        flushed = Flushed()
        rows = self._state.ledger.rows(name, keys)
        found = look_up(self._store, name, [id_of(key) for key in keys])
        changes = [self._change(name, key, rows.get(key), found.get(key)) for key in keys]
        self._carry(name, [change for change in changes if change is not None], flushed)
        return flushed

    def _change(self, name: str, key: str, row: Row | None, document: Document | None) -> Change | None:
        """What there is to carry; None when there is nothing, or nothing that could be."""
        alive = row is not None and row.base is not None
        if (row is not None and same(row.base, document)) or (document is None and not alive):
            if (name, key, "to MongoDB") in self._state.unsynced:
                with self._state.transaction():
                    self._state.unsynced.unpark("to MongoDB", [(name, key)])
            return None
        if document is None:
            return Change(key, row, None)
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

    def _carry(self, name: str, changes: Sequence[Change], flushed: Flushed) -> None:
        """Write the changes in one transaction; one by one when one of them is refused."""
        delays = batch_delays(self._retry)
        while changes:
            try:
                self._attempt(name, changes, flushed)
                return
            except OperationFailure as error:
                delay = next(delays, None) if error.has_error_label("TransientTransactionError") else None
                if delay is not None:
                    self._stop.wait(delay)
                    continue
                if not isinstance(error, BulkWriteError):
                    raise
                if len(changes) == 1:
                    self._park(name, changes[0], *reason(error))
                    return
            for change in changes:
                self._carry(name, [change], flushed)
            return

    def _attempt(self, name: str, changes: Sequence[Change], flushed: Flushed) -> None:
        session = self._session
        session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority"))
        try:
            plan = self._plan(name, changes, flushed)
            if plan.operations:
                self._database[name].bulk_write(plan.operations, session=session)
                self._commit()
        finally:
            if session.in_transaction:
                session.abort_transaction()
        flushed.seen = time_of(session)
        flushed.written += len(plan.operations)
        for row in plan.after + plan.gone:
            self._recent.note(name, row.mongo_id)
        with self._state.transaction():
            self._state.ledger.save(plan.after)
            self._state.ledger.remove(plan.gone)
            self._state.unsynced.unpark("to MongoDB", [(name, row.key) for row in plan.after + plan.gone])
            if plan.operations:
                self._state.put(ACCOUNTED, flushed.seen)

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

    def _plan(self, name: str, changes: Sequence[Change], flushed: Flushed) -> _Plan:
        """What to write, decided by what MongoDB holds in this transaction."""
        plan = _Plan()
        by_id, by_key = self._held(name, changes)
        for change in changes:
            row, document = change.row, change.document
            if row is None:
                self._create(name, change, by_key.get(change.key), plan, flushed)
            elif document is None:
                plan.gone.append(row)
                if name_of(row.mongo_id) in by_id:
                    plan.operations.append(DeleteOne({"_id": row.mongo_id}, collation=SIMPLE))
            elif (held := by_id.get(name_of(row.mongo_id))) is not None and key_of(held["_id"]) == change.key:
                self._update(name, change, row, held, plan, flushed)
        return plan

    def _held(self, name: str, changes: Sequence[Change]) -> tuple[dict[str, Document], dict[str, _Held]]:
        """What MongoDB holds of these documents: as Ditto would have it by MongoDB's _id, and both forms by key.

        One that cannot cross is left out: it is parked, and moves neither way until it is mended.
        """
        synced = self._synced[name]
        wanted: list[Document] = [{"_id": {"$in": [change.row.mongo_id for change in changes if change.row]}}]
        wanted += [synced.identify(change.document) for change in changes if change.row is None and change.document]
        by_id, by_key = {}, {}
        for raw in self._database[name].find({"$or": wanted}, session=self._session):
            try:
                held = synced.to_ditto(raw)
            except Unsyncable:
                continue
            by_id[name_of(raw["_id"])] = held
            by_key[key_of(held["_id"])] = (raw, held)
        return by_id, by_key

    def _create(self, name: str, change: Change, there: _Held | None, plan: _Plan, flushed: Flushed) -> None:
        if there is None:
            change.made.setdefault("_id", ObjectId())
            plan.operations.append(InsertOne(change.made))
            plan.after.append(Row(name, change.key, change.made["_id"], change.document))
        elif same(there[1], change.document):
            plan.after.append(Row(name, change.key, there[0]["_id"], there[1]))
        else:
            flushed.unknown.append((there[0]["_id"], there[1]))

    def _update(self, name: str, change: Change, row: Row, held: Document, plan: _Plan, flushed: Flushed) -> None:
        base, document = row.base or {}, change.document or {}
        arrived: dict[Path, Any] = {}
        wanted: dict[Path, Any] = {}
        for path, value in diff(base, document, maps=self._maps).items():
            there = value_at(held, path)
            if same(there, value):
                arrived[path] = value
            elif same(there, value_at(base, path)):
                wanted[path] = value
            else:
                flushed.conflicts += 1
        try:
            update = as_mongo(Delta.of({path: value_at(change.made, path) for path in wanted}))
        except Unsyncable as error:
            self._park(name, change, error.path, error.reason)
            return
        if update:
            plan.operations.append(UpdateOne({"_id": row.mongo_id}, update, collation=SIMPLE))
        plan.after.append(replace(row, base=patched(base, Delta.of(arrived | wanted))))

    def _park(self, name: str, change: Change, path: str, why: str) -> None:
        content = None if change.document is None else _trial(change.document)
        with self._state.transaction():
            self._state.unsynced.park(Unsynced(name, change.key, "to MongoDB", path, why, content=content))


def _trial(document: Document) -> bytes:
    """Stands for the content that was tried."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=repr).encode()).digest()
