"""The initial copy of the validated database: the store equals MongoDB, document by document.

Only reads from the database. What a document should be on devices is said by suites/bridge/canonical.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import allure
import pytest
from pymongo.database import Database

from conformance.ditto.connector import load_connector
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Collection
from conformance.run.session import Project
from conformance.server.target import Target
from edge.bridge.bridge import Bridge
from edge.bridge.state.state import State
from edge.bridge.synced_collection import Synced, synced_collections
from edge.store.look_up import look_up
from edge.store.store import Store
from suites.bridge.canonical import canonical, texts

Document = dict[str, Any]

#: Documents compared at once.
_PAGE = 100


@dataclass(frozen=True, eq=False)
class Copy:
    """The database, and the store with its copy; ``unsynced`` are documents that could not sync."""

    database: Database[Document]
    store: Store
    synced: dict[str, Synced]
    unsynced: list[dict[str, str]]


@pytest.fixture(scope="module")
def copy(project: Project, target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """All synced collections, copied at full speed."""
    folder = tmp_path_factory.mktemp("copy")
    try:
        config = load_connector(project.model)
        synced = synced_collections(project.model, config)
    except ConfigurationError as error:
        pytest.skip(f"told by the rules of family sync: {error}")
    try:
        target.require_replica_set()
        opened = Store.open(folder / "store", strict_mode=bool(config.settings.strict_mode))
    except TargetError as error:
        pytest.skip(str(error))
    settings = config.settings.model_copy(update={"rate_limit_per_second": 0, "initial_sync": True})
    with opened as store, State.open(folder / "state") as state:
        parts = target.database, store, state, synced, settings
        bridge = Bridge(*parts, link=target.link, source=target.info.database)
        assert bridge.run(once=True)
        yield Copy(target.database, store, dict(synced), [each.as_json() for each in state.unsynced])


def test_store_equals_mongodb(copy: Copy, collection: Collection) -> None:
    """The store has every document and no other; an excluded collection has none."""
    allure.dynamic.feature("Bridge: initial copy")
    allure.dynamic.story(collection.name)
    name = collection.name
    if name not in copy.synced:
        assert copy.store.count(name) == 0
        return
    left = {(each["collection"], each["key"]) for each in copy.unsynced}
    assert not left, copy.unsynced[:5]
    fields = copy.synced[name].mapping.fields
    rows = copy.database[name].find()
    compared = 0
    while page := [canonical(row, fields) for row in islice(rows, _PAGE)]:
        found = look_up(copy.store, name, [each["_id"] for each in page])
        assert texts(list(found.values())) == texts(page)
        compared += len(page)
    assert copy.store.count(name) == compared
