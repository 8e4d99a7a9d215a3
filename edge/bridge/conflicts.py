"""Decide conflicts of device changes with MongoDB: plan the writes from the documents that the transaction reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bson import ObjectId
from pymongo import DeleteOne, InsertOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from conformance.connection.collation import SIMPLE
from edge.bridge.state.ledger import Row
from edge.bridge.synced_collection import Crossing, Synced
from edge.delta import Delta, Path, as_mongo, diff, equivalent, patched, same, value_at
from edge.document_keys import key_of, name_of
from edge.values import Unsyncable

Document = dict[str, Any]
_Held = tuple[Document, Document]  # as MongoDB has it, and as Ditto would


@dataclass
class Change:
    """A document that differs from its base. ``document`` None: a device deleted it; ``row`` None: it is new."""

    key: str
    row: Row | None
    document: Document | None
    made: Document = field(default_factory=dict)


@dataclass
class Plan:
    """``after`` and ``gone``: rows of the ledger when it is done. ``unknown``: documents that the ledger lacks."""

    operations: list[InsertOne[Document] | UpdateOne | DeleteOne] = field(default_factory=list)
    after: list[Row] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)
    conflicts: int = 0
    unknown: list[Crossing] = field(default_factory=list)
    refused: list[tuple[Change, Unsyncable]] = field(default_factory=list)


class Planning:
    """Plans for changes of one collection, in the transaction of ``session``."""

    def __init__(self, collection: Collection[Document], session: ClientSession, synced: Synced, *, maps: bool) -> None:
        self._collection = collection
        self._session = session
        self._synced = synced
        self._maps = maps

    def plan(self, changes: Sequence[Change], *, held: bool) -> Plan:
        """Return what to write; ``held``: documents that are gone in MongoDB stay in the store."""
        plan = Plan()
        by_id, by_key = self._held(changes)
        for change in changes:
            row, document = change.row, change.document
            if row is None:
                self._create(change, by_key.get(change.key), plan)
            elif document is None:
                plan.gone.append(row)
                if name_of(row.mongo_id) in by_id:
                    plan.operations.append(DeleteOne({"_id": row.mongo_id}, collation=SIMPLE))
            elif (there := by_id.get(name_of(row.mongo_id))) is not None and key_of(there["_id"]) == change.key:
                self._update(change, row, there, plan)
            elif there is None and held:
                plan.refused.append(
                    (change, Unsyncable("", "it is gone in MongoDB, with many others: see --accept-drop"))
                )
        return plan

    def _held(self, changes: Sequence[Change]) -> tuple[dict[str, Document], dict[str, _Held]]:
        """Return what MongoDB holds of these documents: as Ditto would have it by MongoDB's _id, and both forms by key.

        One that cannot cross is left out: it is parked, and moves neither way until it is mended.
        """
        synced = self._synced
        wanted: list[Document] = [{"_id": {"$in": [change.row.mongo_id for change in changes if change.row]}}]
        wanted += [synced.identify(change.document) for change in changes if change.row is None and change.document]
        by_id, by_key = {}, {}
        for raw in self._collection.find({"$or": wanted}, session=self._session):
            try:
                held = synced.to_ditto(raw)
            except Unsyncable:
                continue
            by_id[name_of(raw["_id"])] = held
            by_key[key_of(held["_id"])] = (raw, held)
        return by_id, by_key

    def _create(self, change: Change, there: _Held | None, plan: Plan) -> None:
        if there is None:
            change.made.setdefault("_id", ObjectId())
            plan.operations.append(InsertOne(change.made))
            plan.after.append(Row(self._synced.name, change.key, change.made["_id"], change.document))
        elif same(there[1], change.document):
            plan.after.append(Row(self._synced.name, change.key, there[0]["_id"], there[1]))
        else:
            plan.unknown.append((there[0]["_id"], there[1]))

    def _update(self, change: Change, row: Row, held: Document, plan: Plan) -> None:
        base, document = row.base or {}, change.document or {}
        arrived: dict[Path, Any] = {}
        wanted: dict[Path, Any] = {}
        conflicts = 0
        for path, value in diff(base, document, maps=self._maps, whole=self._synced.is_value).items():
            there = value_at(held, path)
            if same(there, value):
                arrived[path] = value
            elif equivalent(there, value_at(base, path)):
                wanted[path] = value
            elif not equivalent(value, value_at(base, path)):
                conflicts += 1
        try:
            update = as_mongo(Delta.of({path: value_at(change.made, path) for path in wanted}))
        except Unsyncable as error:
            plan.refused.append((change, error))
            return
        plan.conflicts += conflicts
        if update:
            plan.operations.append(UpdateOne({"_id": row.mongo_id}, update, collation=SIMPLE))
        plan.after.append(replace(row, base=patched(base, Delta.of(arrived | wanted))))
