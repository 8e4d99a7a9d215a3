"""Benchmarks of the bridge: copying compared with plain loading, sync latency, and memory.

Everything runs on the validated server: the initial copy reads its whole dataset, the changes are made in a scratch
database.
"""

from __future__ import annotations

import gc
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.ditto.connector import ConnectorSettings, load_connector
from conformance.errors import TargetError
from conformance.model.collection import IdMapping
from conformance.model.schemas.loading import load_model
from conformance.run.session import Project
from conformance.server.target import Target
from edge.bridge.bridge import Bridge, Hooks
from edge.bridge.state.state import State
from edge.bridge.synced_collection import Synced, synced_collections
from edge.store.sdk import unavailable
from edge.store.statements import identifier
from edge.store.store import Store
from suites.benchmarks.tables import Tables

Document = dict[str, Any]

#: Documents converted and loaded at once.
_PAGE: Final = 10_000
#: Changes a second, for how many seconds, and how often it is looked whether they are visible. Those of the first
#: second are not counted: the store is then busy with what was copied just before.
RATE: Final = 100
SECONDS: Final = 20
_LOOK: Final = 0.003
#: Documents in the scratch database's collection that is changed, and those whose observer is timed.
DOCUMENTS: Final = 20_000
FEW: Final = 50

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


@pytest.fixture(scope="module")
def settings(project: Project) -> ConnectorSettings:
    """Return the settings of the configuration, without a rate limit."""
    return load_connector(project.model).settings.model_copy(update={"rate_limit_per_second": 0, "initial_sync": True})


def megabytes() -> float:
    """Return the current memory of the process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 1e6


def test_initial_copy_is_as_fast_as_plain_loading(
    project: Project, target: Target, settings: ConnectorSettings, tables: Tables, tmp_path: Path
) -> None:
    """Copy all synced collections, compared with loading the same converted documents; measure memory."""
    try:
        target.require_replica_set()
    except TargetError as error:
        pytest.skip(str(error))
    synced = synced_collections(project.model, load_connector(project.model))
    plain, documents = 0.0, 0
    gc.freeze()  # as the bridge does: pytest's own objects would hold up the loading
    with Store.open(tmp_path / "plain") as store:
        for name, each in synced.items():
            rows = target.database[name].find()
            while page := [each.to_ditto(row) for row in itertools.islice(rows, _PAGE)]:
                started = time.perf_counter()
                documents += store.insert(name, page)
                plain += time.perf_counter() - started
    gc.unfreeze()
    sizes: list[float] = []
    with Store.open(tmp_path / "store") as store, State.open(tmp_path / "state") as state:
        hooks = Hooks(progress=lambda _, __: sizes.append(megabytes()))
        parts = target.database, store, state, synced, settings
        bridge = Bridge(*parts, link=target.link, source="bench", hooks=hooks)
        started = time.perf_counter()
        assert bridge.run(once=True)
        copied = time.perf_counter() - started
        assert (bridge.counts["copied"], list(state.unsynced)) == (documents, [])
    third = max(sizes[: len(sizes) // 3])
    tables.ratio(
        f"bridge, initial copy of {documents:,} documents: {documents / copied:,.0f}/s",
        f"loading them into Ditto, converted already: {documents / plain:,.0f}/s",
        plain / copied,
        aim=0.6,
        guard=0.5,
        at_least=True,
    )
    tables.ratio(
        f"bridge, memory at the end of the copy: {max(sizes):,.0f} MB",
        f"after a third of it: {third:,.0f} MB",
        max(sizes) / third,
        aim=1.2,
        guard=1.3,
    )


@contextmanager
def live(
    target: Target, database: Database[Document], folder: Path, settings: ConnectorSettings, each: Synced
) -> Iterator[Store]:
    """Yield the bridge, carrying changes both ways."""
    ready = Event()
    with Store.open(folder / "live") as store, State.open(folder / "live state") as state:
        hooks = Hooks(notice=lambda _: ready.set())
        parts = database, store, state, {each.name: each}, settings
        bridge = Bridge(*parts, link=target.link, source="bench", hooks=hooks)
        thread = Thread(target=bridge.run)
        thread.start()
        try:
            assert ready.wait(120)
            yield store
        finally:
            bridge.stop()
            thread.join()


class Stopwatch:
    """Times from a write until the other side shows it."""

    def __init__(self, visible: Callable[[Mapping[str, int]], list[str]]) -> None:
        self._visible = visible
        self._pending: dict[str, tuple[int, float]] = {}
        self._lock = Lock()
        self._done = Event()
        self.times: list[float] = []

    def drive(self, write: Callable[[str, int], object], names: list[str]) -> None:
        """Write at the rate, each document at most once at a time, and wait until all is visible."""
        looking = Thread(target=self._look)
        looking.start()
        chance, started = random.Random(1), time.perf_counter()  # noqa: S311 - no secret
        for number in range(1, RATE * SECONDS + 1):
            name = next(each for each in iter(lambda: chance.choice(names), None) if each not in self._pending)
            write(name, number)
            with self._lock:
                self._pending[name] = number, time.perf_counter()
            time.sleep(max(0.0, started + number / RATE - time.perf_counter()))
        self._done.set()
        looking.join()

    def _look(self) -> None:
        while self._pending or not self._done.is_set():
            with self._lock:
                asked = {name: number for name, (number, _) in self._pending.items()}
            found = self._visible(asked) if asked else []
            now = time.perf_counter()
            with self._lock:
                seen = [self._pending.pop(name) for name in found]
            self.times += [now - written for number, written in seen if number > RATE]
            time.sleep(_LOOK)

    def percentile(self, share: float) -> float:
        """Return the milliseconds within which this fraction was visible."""
        return sorted(self.times)[int(share * (len(self.times) - 1))] * 1000


class Observed:
    """Changes that an observer of a few documents receives: the device's own writes, without a bridge."""

    def __init__(self, store: Store, name: str, ids: list[str]) -> None:
        self._numbers: dict[str, int] = {}
        dql = f"SELECT _id, number FROM {identifier(name)} WHERE _id IN :ids"  # noqa: S608 - quoted
        store.observe(dql, self._note, {"ids": ids})

    def _note(self, rows: list[Document]) -> None:
        self._numbers = {row["_id"]: row["number"] for row in rows}

    def visible(self, asked: Mapping[str, int]) -> list[str]:
        """Return the delivered documents with their numbers."""
        return [name for name, number in asked.items() if self._numbers.get(name) == number]


def _changed(folder: Path, name: str) -> Synced:
    """Return a collection without a model, whose _ids are strings on both sides."""
    (folder / "schemas").mkdir()
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Changes",
        "type": "object",
        "additionalProperties": False,
        "required": ["_id"],
        "properties": {"_id": {"type": "string"}},
        "x-cardinality": {"exactly": DOCUMENTS},
        "x-sync": {"enabled": True, "id_mapping": {"mode": "match_ids"}},
    }
    (folder / "schemas" / f"{name}.json").write_text(json.dumps(schema), encoding="utf-8")
    return Synced(load_model(folder)[name], IdMapping("match_ids", ()))


def test_changes_sync_with_low_latency(
    target: Target, scratch: Database[Document], settings: ConnectorSettings, tables: Tables, tmp_path: Path
) -> None:
    """Write 100 changes per second in MongoDB, then on a device; measure memory between and at the end."""
    name = "changes"
    each = _changed(tmp_path, name)
    ids = [f"document {number:06}" for number in range(DOCUMENTS)]
    scratch[name].insert_many([{"_id": key, "number": 0, "text": "x" * 200, "m": {"a": 1, "b": 2.5}} for key in ids])
    dql = f"SELECT _id, number FROM {identifier(name)} WHERE _id IN :ids"  # noqa: S608 - quoted
    update = f"UPDATE {identifier(name)} SET number = :number WHERE _id = :id"  # noqa: S608 - quoted
    with live(target, scratch, tmp_path, settings, each) as store:
        while store.count(name) < DOCUMENTS:
            time.sleep(0.1)

        def in_store(asked: Mapping[str, int]) -> list[str]:
            rows = store.execute(dql, {"ids": list(asked)})
            return [row["_id"] for row in rows if row["number"] == asked[row["_id"]]]

        def in_mongo(asked: Mapping[str, int]) -> list[str]:
            rows = scratch[name].find({"_id": {"$in": list(asked)}}, {"number": 1})
            return [row["_id"] for row in rows if row["number"] == -asked[row["_id"]]]

        inward, outward = Stopwatch(in_store), Stopwatch(in_mongo)
        inward.drive(lambda key, number: scratch[name].update_one({"_id": key}, {"$set": {"number": number}}), ids)
        between = megabytes()
        outward.drive(lambda key, number: store.mutate(update, {"id": key, "number": -number}), ids)
        after = megabytes()
    with Store.open(tmp_path / "live") as store:
        few = ids[:FEW]
        observed = Stopwatch(Observed(store, name, few).visible)
        observed.drive(lambda key, number: store.mutate(update, {"id": key, "number": number}), few)
    for what, watch in (("MongoDB to Ditto", inward), ("Ditto to MongoDB", outward)):
        late = watch.percentile(0.99)
        summary = f"{len(watch.times):,} changes at {RATE}/s: p50 {watch.percentile(0.5):.0f} ms, p99 {late:.0f} ms"
        tables.ratio(f"bridge, {what}, {summary}", "100 ms", late / 100, aim=1, guard=2)
    own = observed.percentile(0.99)
    tables.ratio(
        f"bridge, MongoDB to Ditto, p99: {inward.percentile(0.99):.0f} ms",
        f"an observer's own latency, p99: {own:.0f} ms (p50 {observed.percentile(0.5):.0f} ms)",
        inward.percentile(0.99) / own,
        aim=2,
        guard=3,
    )
    tables.ratio(
        f"bridge, memory after {2 * RATE * SECONDS:,} changes: {after:,.0f} MB",
        f"after {RATE * SECONDS:,}: {between:,.0f} MB",
        after / between,
        aim=1.1,
        guard=1.2,
    )
