"""A small dataset on the real store: generated, some of it soft-deleted, with what each user should do to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest

from conformance.ditto.connector import load_connector
from conformance.ditto.permissions import Operation, Permissions, User, document_of, known_users, load_permissions
from conformance.ditto.subscriptions import Subscriptions, load_subscriptions
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Collection, IdMapping, Model
from conformance.run.session import Project
from edge.bridge.synced_collection import Synced
from edge.object_ids import id_parts
from edge.store.store import Store
from edge.values import ditto_id
from generator.columns.plan import Plan

Document = dict[str, Any]
Dataset = Mapping[str, Sequence[Document]]

#: The value for every setting that decides the size of a collection.
SIZE: Final = 250
#: Names, streets and so on that a small dataset draws from.
_POOL: Final = 200
#: Documents that are kept of each collection, taken evenly from all, beside those that others refer to: the store is
#: asked for them hundreds of times.
_KEPT: Final = 100
#: Every so many documents one is soft-deleted.
_DELETED: Final = 7


def small_plan(project: Project, size: int) -> Plan:
    """Return the plan of a dataset in which ``size`` is the value of every setting of a collection's size.

    So few documents need no thousands of names, which Faker makes one by one.
    """
    settings = project.settings.model_copy(update={name.lower(): size for name in project.model.settings})
    generation = project.configuration.generation
    few = generation.model_copy(update={"pool_size": min(generation.pool_size, _POOL)})
    return Plan(project.model, replace(project.configuration, generation=few), settings)


def dataset(project: Project, spared: str) -> Dataset:
    """Return some documents of every collection, as MongoDB has them; those of ``spared`` are not deleted."""
    model = project.model
    made: dict[str, list[Document]] = {collection.name: [] for collection in model}
    for name, documents in small_plan(project, SIZE).documents():
        made[name] += documents
    made = _thinned(model, made)
    for collection in model:
        flag = collection.soft_delete
        if flag is not None and collection.name != spared:
            for document in made[collection.name][::_DELETED]:
                document[flag] = True
    return made


def _thinned(model: Model, made: Dataset) -> dict[str, list[Document]]:
    """Return some documents of each collection, and those that they refer to: without them a JOIN finds nothing."""
    kept: dict[str, list[Document]] = {}
    wanted: dict[tuple[str, str], set[Any]] = {}
    for collection in reversed([*model]):  # children first
        documents = made[collection.name]
        step = len(documents) // _KEPT + 1
        keys = [(field, values) for (name, field), values in wanted.items() if name == collection.name]
        kept[collection.name] = [
            one
            for number, one in enumerate(documents)
            if number % step == 0 or any(one.get(field) in values for field, values in keys)
        ]
        for reference in collection.references:
            values = wanted.setdefault((reference.target, reference.target_field), set())
            values.update(one[reference.field] for one in kept[collection.name] if reference.field in one)
    return kept


class Remembering(Store):
    """A store that nobody writes to once it is filled: what was asked before (seven in eight times) is remembered."""

    @cached_property
    def _answers(self) -> dict[tuple[str, str], list[Document]]:
        return {}

    def execute(self, dql: str, arguments: Mapping[str, Any] | None = None) -> list[Document]:
        """See Store."""
        asked = dql, repr(arguments)
        if asked not in self._answers:
            self._answers[asked] = super().execute(dql, arguments)
        return self._answers[asked]


@dataclass(frozen=True, eq=False)
class Edge:
    """The store, what it was filled from, and who may ask it."""

    store: Store
    model: Model
    mappings: Mapping[str, IdMapping]
    documents: Dataset
    permissions: Permissions
    subscriptions: Subscriptions

    @cached_property
    def people(self) -> Sequence[User]:
        """Everyone who is known."""
        return known_users(self.permissions, self.model, self.documents[self.permissions.users.collection])

    @property
    def super_manager(self) -> User:
        """The one who may do everything."""
        return User(self.permissions.super_manager_id, super_manager=True)

    def ids(self, collection: Collection, documents: Sequence[Document]) -> list[Any]:
        """Ditto's _ids of the documents, in one order."""
        mapping, parts = self.mappings[collection.name], id_parts(collection)
        return ordered(ditto_id(one, mapping, parts) for one in documents)

    def theirs(self, collection: Collection, user: User) -> list[Document]:
        """Return the documents that a user should see: those of the user's own scope, or what belongs to everybody."""
        users = self.permissions.users
        own = document_of(self.permissions, self.documents[users.collection], user)
        documents = self.documents[collection.name]
        keys = [(r.field, own[r.target_field]) for r in collection.references if r.target == users.collection]
        if keys:
            return [one for one in documents if any(one.get(field) == key for field, key in keys)]
        flag = collection.soft_delete if self.permissions.of(collection.name) else None
        return [one for one in documents if flag is None or one[flag] is False]

    def done(self, collection: Collection, operation: Operation) -> bool:
        """Return True when some device of a user's does the operation."""
        changes = [device.changes.get(collection.name, ()) for device in self.subscriptions.devices
                   if device.user == "known"]  # fmt: skip
        return operation == "read" or any(
            operation in each or (operation == "update" and "write" in each) for each in changes
        )


def ordered(ids: Any) -> list[Any]:
    """Return the _ids, which may be objects, in one order."""
    return sorted(ids, key=text_of)


def text_of(identity: Any) -> str:
    """Return an _id as text; Ditto gives the names of an object in an order of its own."""
    return repr(sorted(identity.items()) if isinstance(identity, Mapping) else identity)


@contextmanager
def edge_of(project: Project, directory: Path) -> Iterator[Edge]:
    """Yield a real store with the documents of every synced collection; skip if it cannot run."""
    model = project.model
    try:
        permissions, subscriptions = load_permissions(model), load_subscriptions(model)
        config = load_connector(model)
        store = Remembering.open(directory)
    except ConfigurationError as error:
        pytest.skip(f"told by the rules of the families sync and permissions: {error}")
    except TargetError as error:
        pytest.skip(str(error))
    documents = dataset(project, permissions.users.collection)
    mappings, modes = config.mappings, {entry.name: entry.mode for entry in config.collections}
    with store:
        for statement in subscriptions.index_statements:
            store.execute(statement)
        for name, mapping in mappings.items():
            synced = Synced(model[name], mapping, mode=modes[name])
            store.insert(name, map(synced.to_ditto, documents[name]))
        yield Edge(store, model, mappings, documents, permissions, subscriptions)
