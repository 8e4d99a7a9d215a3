"""kill -9 while both sides write: every acknowledged write is on both sides in the end, without duplicates.

The ledger: MongoDB's clients are this process, so what was acknowledged is known. The device is in the process that is
killed and notes each write before and after; one that was tried and not acknowledged may have happened or not.
"""

from __future__ import annotations

import itertools
import json
import mmap
import random
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from edge.store.sdk import unavailable
from tests.edge.bridge.bridge_process import DOCUMENTS, NAMES, PHASES, original
from tests.edge.bridge.pair import Document, edge_model
from tests.validation import ROOT

pytestmark = pytest.mark.ditto

#: Seconds a process gets to come into the phase in which it is to be killed.
PATIENCE: Final = 30.0
Place = tuple[str, str]


@dataclass
class Ledger:
    """Acknowledged writes of each side: last values by document and field, documents inserted and deleted."""

    values: dict[tuple[str, str, str], int] = field(default_factory=dict)
    tried: dict[tuple[str, str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    made: set[Place] = field(default_factory=set)
    maybe: set[Place] = field(default_factory=set)
    deleted: set[Place] = field(default_factory=set)
    maybe_deleted: set[Place] = field(default_factory=set)

    def note(self, kind: str, name: str, key: str, what: str, number: int) -> None:
        """Record one line of the log."""
        sets = {"new": (self.maybe, self.made), "deleted": (self.maybe_deleted, self.deleted)}
        if what in sets:
            tried, done = sets[what]
            (tried if kind == "try" else done if kind == "ack" else set()).add((name, key))
        elif kind == "try":
            self.tried[name, key, what].add(number)
        elif kind == "ack":
            self.values[name, key, what] = number

    def wrong(self, held: Mapping[Place, Document]) -> Iterator[str]:
        """Return the documents and values that one side lost, has in excess, or has again."""
        for name, key, what in self.values.keys() | self.tried.keys():
            acknowledged = self.values.get((name, key, what), 0)
            found = _value(held.get((name, key), {}), what)
            later = found > acknowledged and found in self.tried.get((name, key, what), ())
            if found != acknowledged and not later:
                yield f"{name} {key}, {what}: {found} instead of {acknowledged}"
        for place in self.made - self.maybe_deleted - self.deleted - held.keys():
            yield f"{place}: was made and is lost"
        for place in self.deleted & held.keys():
            yield f"{place}: was deleted and is back"


def _value(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name, 0) if isinstance(value, dict) else 0
    return value


@dataclass
class Arena:
    """A database that clients write to, and a folder with the files that the killed processes share."""

    database: Database[Document]
    uri: str
    folder: Path
    mongo: Ledger = field(default_factory=Ledger)
    deaths: Counter[str] = field(default_factory=Counter)

    def run(self, **order: Any) -> subprocess.Popen[str]:
        """Start a process with these arguments: writes (the first number of its device), seed, copy."""
        arguments = {"folder": str(self.folder), "uri": self.uri, "database": self.database.name, **order}
        command = [sys.executable, "-m", "tests.edge.bridge.bridge_process", json.dumps(arguments)]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    @contextmanager
    def clients(self, seed: int) -> Iterator[None]:
        """MongoDB's clients write meanwhile."""
        stop = Event()
        thread = Thread(target=self._write, args=(random.Random(seed), stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _write(self, chance: random.Random, stop: Event) -> None:
        number, made = 0, []
        while not stop.wait(0.005):
            number += 1
            name, kind = chance.choice(NAMES), chance.random()
            if kind < 0.75:
                key, what = original(chance.randrange(DOCUMENTS)), chance.choice(("m", "map.m"))
                self.database[name].update_one({"code": key}, {"$set": {what: number}})
            elif kind < 0.95 or not made:
                key, what = f"mongo {number}", "new"
                self.database[name].insert_one({**_id(name, key), "code": key, "m": number, "map": {"m": number}})
                made.append((name, key))
            else:
                (name, key), what = made.pop(chance.randrange(len(made))), "deleted"
                self.database[name].delete_one({"code": key})
            self.mongo.note("ack", name, key, what, number)

    def kill(self, phase: str, number: int, chance: random.Random) -> None:
        """Start a process, wait until it is in the phase and some random time, and kill it."""
        path = self.folder / "phase"
        path.write_bytes(b"\0")
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 1) as now:
            process = self.run(writes=number * 1_000_000, seed=chance.randrange(2**32), copy=phase == "initial")
            wanted, deadline = PHASES.index(phase), time.monotonic() + PATIENCE
            while now[0] == 0 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1 if phase == "initial" else 1.5))
            while now[0] != wanted and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.0002)
            time.sleep(chance.choice((0, chance.uniform(0, 0.005))))
            process.kill()
            error = process.communicate()[1]
            self.deaths[PHASES[now[0]]] += 1
        assert process.returncode == -9, error

    def settle(self) -> Mapping[str, Any]:
        """Let a process sync both sides; return the content of the store."""
        process = self.run(writes=0, seed=0, copy=False)
        error = process.communicate()[1]
        assert process.returncode == 0, error
        held: Mapping[str, Any] = json.loads((self.folder / "held.json").read_text(encoding="utf-8"))
        return held

    def device(self) -> Ledger:
        """Return the records of the devices."""
        ledger = Ledger()
        for line in (self.folder / "device.log").read_text(encoding="utf-8").splitlines():
            ledger.note(*json.loads(line))
        return ledger


def _id(name: str, key: str) -> Document:
    return {"_id": key} if name == "things" else {}


@pytest.fixture
def arena(server: MongoClient[Document], tmp_path: Path) -> Iterator[Arena]:
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    edge_model(tmp_path)
    host, port = next(iter(server.nodes))
    database = server[f"kill_{uuid.uuid4().hex[:8]}"]
    for name in NAMES:
        database[name].insert_many([{**_id(name, original(n)), "code": original(n)} for n in range(DOCUMENTS)])
    yield Arena(database, f"mongodb://{host}:{port}/?directConnection=true", tmp_path)
    server.drop_database(database.name)


@pytest.mark.parametrize("each", [1, pytest.param(34, marks=pytest.mark.soak)])
def test_acknowledged_writes_survive_kills_at_random_instants(
    arena: Arena, each: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, wanted, numbers = random.Random(each), each // 3, itertools.count(1)
    with arena.clients(each):
        for phase in PHASES[1:] * each:
            arena.kill(phase, next(numbers), chance)
        for phase in PHASES[1:]:  # on a busy machine a phase may end before the signal arrives
            while arena.deaths[phase] < wanted and arena.deaths.total() < 5 * each:
                arena.kill(phase, next(numbers), chance)
    held = arena.settle()
    devices = arena.device()
    with capsys.disabled():
        acknowledged = len(devices.values), len(arena.mongo.values)
        print(f"\n{sum(arena.deaths.values())} kills by phase: {dict(arena.deaths)}; fields written: {acknowledged}")
    assert held["unsynced"] == []
    mongo: dict[Place, Document] = {}
    store: dict[Place, Document] = {}
    for name in NAMES:
        found = list(arena.database[name].find())
        assert len(found) == len({one["code"] for one in found}), "a document is there twice"
        mongo |= {(name, one["code"]): _bare(one) for one in found}
        store |= {(name, one["code"]): _bare(one) for one in held[name]}
    originals = {(name, original(number)) for name in NAMES for number in range(DOCUMENTS)}
    assert mongo.keys() - originals - devices.maybe - arena.mongo.made == set()
    differing = [place for place in store.keys() | mongo.keys() if store.get(place) != mongo.get(place)]
    assert [(place, store.get(place), mongo.get(place)) for place in differing] == []
    assert [*devices.wrong(mongo), *arena.mongo.wrong(mongo)] == []
    assert devices.values, "no device wrote"
    assert min(arena.deaths[phase] for phase in PHASES[1:]) >= wanted


def _bare(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "_id"}
