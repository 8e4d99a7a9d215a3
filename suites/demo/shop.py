"""The shop of the demo stories: a small dataset in MongoDB, devices with real stores, and a bridge that comes and goes.

A device here is a real Ditto store with a bridge of its own to MongoDB, since devices sync with each other only with
a license: two of them meet through MongoDB. It is offline unless the story says otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.checks.statistics.distribution import DistributionTest
from conformance.ditto.connector import ConnectorSettings, load_connector
from conformance.ditto.subscriptions import load_subscriptions
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import IdMapping
from conformance.report.text import finding
from conformance.results import Result
from conformance.rules.catalogue import DATA_FAMILIES
from conformance.run.runner import Run
from conformance.run.session import Project, load_project
from conformance.server import provision
from conformance.server.target import Target
from edge.bridge.bridge import Bridge, Hooks
from edge.bridge.callbacks import FOLLOWING
from edge.bridge.state.state import State
from edge.bridge.synced_collection import Synced, synced_collections
from edge.store.sdk import unavailable
from edge.store.statements import identifier
from edge.store.store import Store
from generator.columns.plan import Plan
from generator.loader import load
from suites.demo.apps import SalesRep, Worker

Document = dict[str, Any]
Difference = tuple[str, str, Document | None, Document | None]

#: Customers and orders of the stories.
SIZES: Final = {"NUM_CUSTOMERS": "50", "NUM_ORDERS": "80"}
#: Only every n-th product has stock, so that less is compared after each story.
EVERY: Final = 10
#: Collections that stories write and read; a model without them is not supported.
WRITTEN: Final = frozenset({"inventory", "customers", "orders", "order_items"})
NEEDED: Final = WRITTEN | {"stores", "categories", "products"}
#: Seconds after which what a story waits for is taken to never come.
PATIENCE: Final = 10.0


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is true; the test fails, naming what was awaited, when PATIENCE is over."""
    deadline, pause = time.monotonic() + PATIENCE, Event()
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {PATIENCE:.0f} seconds", pytrace=False)
        pause.wait(0.02)


def at_once(*actions: Callable[[], Any]) -> None:
    """Do them at the same time; the test fails with the first that fails."""
    barrier, failures = Barrier(len(actions)), list[BaseException]()

    def run(action: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            action()
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@dataclass
class Device:
    """One store, and the bridge between it and MongoDB while there is one."""

    name: str
    store: Store
    directory: Path
    database: Database[Document]
    link: Callable[[], MongoClient[Document]]
    synced: Mapping[str, Synced]
    settings: ConnectorSettings
    conflicts: int = 0

    def meet(self) -> None:
        """Run the bridge until both sides are in step, and stop it."""
        with self._bridge() as bridge:
            assert bridge.run(once=True)

    @contextmanager
    def online(self) -> Iterator[None]:
        """Run the bridge meanwhile, from when it carries changes both ways."""
        ready, failures = Event(), list[BaseException]()

        def notice(line: str) -> None:
            if line == FOLLOWING:
                ready.set()

        with self._bridge(Hooks(notice=notice)) as bridge:

            def run() -> None:
                try:
                    bridge.run()
                except BaseException as error:
                    failures.append(error)
                    ready.set()

            thread = Thread(target=run, name=f"bridge of {self.name}", daemon=True)
            thread.start()
            try:
                assert ready.wait(PATIENCE), f"the bridge of {self.name} is not in step within {PATIENCE:.0f} seconds"
                if not failures:
                    yield
            finally:
                bridge.stop()
                thread.join(PATIENCE)
        if failures:
            raise failures[0]

    @contextmanager
    def _bridge(self, hooks: Hooks | None = None) -> Iterator[Bridge]:
        """Yield a bridge that goes on from where the last one stopped, as a new process would."""
        with State.open(self.directory / "state") as state:
            parts = self.database, self.store, state, self.synced, self.settings
            bridge = Bridge(*parts, link=self.link, source=self.database.name, hooks=hooks)
            yield bridge
            self.conflicts += bridge.counts["conflicts"]
            parked = [document.as_json() for document in state.unsynced]
        assert not parked, parked


@dataclass
class Shop:
    """MongoDB's side, the devices, and the wall clock of the stories: one second for each look at it."""

    project: Project
    database: Database[Document]
    devices: Mapping[str, Device]
    queries: Mapping[str, str]
    seconds: Iterator[int] = field(default_factory=lambda: count(1))

    def parameters(self, name: str) -> Mapping[str, Any]:
        """Return a table of config/generation.yaml by store, such as the rates of sales tax."""
        found = self.project.configuration.generation.parameters[name]
        assert isinstance(found, Mapping)
        return {str(key): value for key, value in found.items()}

    def sales_rep(self, device: str, store_id: str, tablet: int) -> SalesRep:
        """Somebody who sells in a store, on a device."""
        rates, factors = self.parameters("tax_rate"), self.parameters("store_order_value")
        return SalesRep(self.devices[device].store, store_id, self.queries, self.now, tablet, rates, factors)

    def worker(self, device: str, store_id: str) -> Worker:
        """Somebody who works in a store, on a device."""
        return Worker(self.devices[device].store, store_id, self.queries, self.now)

    def now(self) -> str:
        """Return the time, on the last day of the period; later with every call."""
        end = self.project.settings.end_date
        noon = datetime(end.year, end.month, end.day, 12, tzinfo=UTC)
        return (noon + timedelta(seconds=next(self.seconds))).strftime("%Y-%m-%dT%H:%M:%SZ")

    def all(self, collection: str, **wanted: Any) -> list[Document]:
        """Return what MongoDB holds, by _id."""
        return list(self.database[collection].find(wanted).sort("_id", 1))

    def one(self, collection: str, **wanted: Any) -> Document:
        """Return the only such document that MongoDB holds."""
        (found,) = self.all(collection, **wanted)
        return found

    def meet(self) -> None:
        """Every device meets MongoDB, all at once."""
        at_once(*(device.meet for device in self.devices.values()))

    def differences(self, names: Iterable[str] = WRITTEN) -> list[Difference]:
        """Return differences between devices and MongoDB: device, collection, both documents."""
        found: list[Difference] = []
        for name in names:
            synced = self.devices["here"].synced[name]
            ours = keyed(self.all(name), synced.mapping)
            for device in self.devices.values():
                rows = device.store.execute(f"SELECT * FROM {identifier(name)}")  # noqa: S608 - quoted
                theirs = keyed(rows, synced.mapping, "_id")
                keys = [key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key)]
                found += [(device.name, name, theirs.get(key), ours.get(key)) for key in keys]
        return found

    def close_of_day(self) -> None:
        """After a story: everything is the same everywhere, and MongoDB's data meets the model."""
        for _ in self.devices:  # what the last brings, those before it have to hear of
            if apart := self.differences():
                at_once(*(self.devices[name].meet for name in {found[0] for found in apart}))
        assert not apart or self.differences() == []
        broken = [finding(result) for result in self.validated() if result.status not in ("passed", "skipped")]
        if broken:
            pytest.fail("\n".join(broken), pytrace=False)

    def validated(self) -> list[Result]:
        """Return the results of all rules about documents that stories write, but for how many there should be."""
        project = self.project
        families = set(DATA_FAMILIES) - {"counts"}
        rules = [
            rule
            for rule in project.rules
            if rule.family in families
            and rule.collection in WRITTEN
            and not isinstance(rule.check, DistributionTest)  # the sales of a story are no sample of a year
        ]
        context = Context(
            project.model, project.configuration, project.settings, self.database, embedded=False, scratch=None
        )
        with Run(rules, context) as run:
            return run.results()


def keyed(documents: list[Document], mapping: IdMapping, own: str | None = None) -> dict[Any, Document]:
    """Documents without their _id, by what stands for it on both sides; ``own`` names the field that holds it."""
    key = own or (mapping.fields[0] if mapping.fields else "_id")
    return {one[key]: {name: value for name, value in one.items() if name != "_id"} for one in documents}


@contextmanager
def opened_shop(project: Project, target: Target, scratch: Database[Document], directory: Path) -> Iterator[Shop]:
    """Yield the shop with two devices, all in step; a skip where there cannot be one."""
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    if not project.model.collections.keys() >= NEEDED:
        pytest.skip("the stories are about another model")
    try:
        target.require_replica_set()
        config = load_connector(project.model)
        synced = synced_collections(project.model, config)
        queries = {query.name: query.query for query in load_subscriptions(project.model).queries}
    except (ConfigurationError, TargetError) as error:
        pytest.skip(f"told by the rules: {error}")
    settings = config.settings.model_copy(update={"rate_limit_per_second": 0})
    fill(project, scratch)
    with ExitStack() as stack:
        devices = {}
        for name in ("here", "there"):
            store = stack.enter_context(Store.open(directory / name, strict_mode=bool(settings.strict_mode)))
            place = directory / f"{name}-bridge"
            devices[name] = Device(name, store, place, scratch, target.link, synced, settings)
            devices[name].meet()
        shop = Shop(project, scratch, devices, queries)
        yield shop
        assert shop.differences(synced) == []
        for name in project.model.collections:
            scratch[name].drop()


def fill(project: Project, database: Database[Document]) -> None:
    """Return the small dataset, provisioned; without pictures, which no story needs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, size in SIZES.items():
            patch.setenv(name, size)
        small = load_project(project.model.root)
    for name in project.model.collections:
        database[name].drop()
    plan = Plan(small.model, small.configuration, small.settings)
    wanted = {collection.name for collection in small.model if collection.synced}
    kept: set[str] = set()
    provision.apply(provision.plan(small.model, database), database)

    def trimmed() -> Iterator[tuple[str, list[Document]]]:
        for name, documents in plan.documents(wanted):
            if name == "products":
                kept.update(one["product_id"] for one in documents[::EVERY])
            yield name, [one for one in documents if name != "inventory" or one["product_id"] in kept]

    load(trimmed(), database, small.settings.batch_size)
