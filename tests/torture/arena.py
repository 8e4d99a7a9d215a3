"""Environment of the torture tests: one database, processes with a bridge and a device each, their comparison."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import random
import shutil
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cbor2
from pymongo.errors import PyMongoError

from conformance.embedded.server import EmbeddedServer
from tests.link import Link
from tests.torture import strays
from tests.torture.comparison import Journal, Sides, Stray, problems, text_of
from tests.torture.mongo_side import MongoSide
from tests.torture.places import NAMES, SECRET, key_for, key_of_device, key_of_mongo, write_folder
from tests.torture.process import Ended, Process

Document = dict[str, Any]
Place = tuple[str, str]
Held = dict[str, list[tuple[Any, Document | None]]]

#: Variables of the caller's environment that a process sees: no settings of the harness.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "VIRTUAL_ENV")


class Arena:
    """One tortured database. ``server`` may be killed and made to fail; bridges reach it by ``link``."""

    def __init__(
        self, folder: Path, server: EmbeddedServer, link: Link, seed: int, clock: Path | None, sabotage: tuple[str, ...]
    ) -> None:
        self.folder = folder
        self.server = server
        self.link = link
        self.chance = random.Random(seed)
        self.journal = Journal()
        self.mongo = MongoSide(server, f"torture_{uuid.uuid4().hex[:8]}", self.journal, self.chance)
        self._clock = clock
        self._offset = folder / "clock"
        self._offset.write_bytes(struct.pack("d", 0.0))
        self._sabotage = sabotage
        self._processes: list[Process] = []
        self._numbers = itertools.count(1)
        (folder / "model").mkdir()
        write_folder(folder / "model")

    def place(self, device: str = "a") -> Path:
        """Return the folder with a device's store and the state of its bridge."""
        return self.folder / device

    def start(self, *extra: str, device: str = "a", state: Path | None = None, **order: Any) -> Process:
        """Start a bridge with a device that writes at random."""
        folder = self.place(device)
        arguments = [
            "--model", str(self.folder / "model"), "sync", "--uri", self.link.uri, "--json",
            "--store", str(folder / "store"), "--state", str(state or folder / "state"), *extra,
        ]  # fmt: skip
        return self._start({"mode": "sync", "arguments": arguments, "device": device, "chatter": True, **order})

    def start_device(self, device: str = "a") -> Process:
        """Start a device that writes at random while no bridge runs."""
        return self._start({"mode": "device", "device": device, "chatter": True})

    def _start(self, order: Document) -> Process:
        folder, number = self.place(order["device"]), next(self._numbers)
        folder.mkdir(exist_ok=True)
        arguments = {"folder": str(folder), "number": number, "seed": self.chance.randrange(2**32), **order}
        process = Process(self.folder, {**arguments, "sabotage": self._sabotage}, self._environment(), self._note)
        self._processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"MONGODB_DATABASE": self.mongo.name, "COLUMNS": "200"}
        if self._clock is not None:
            environment |= {"LD_PRELOAD": str(self._clock), "CLOCK_OFFSET_FILE": str(self._offset)}
        return environment

    def _note(self, entry: Document) -> None:
        """Record what a device reports."""
        if entry["kind"] == "stray":
            name = entry["name"]
            collection, make = strays.DEVICE[name]
            document = cbor2.loads(cbor2.dumps(made := make()))
            kept = None if name in strays.UNREADABLE else document
            self.journal.note_stray("device", entry["step"], Stray(name, collection, made["_id"], kept))
        else:
            values = entry.get("value"), entry.get("saw")
            self.journal.note(entry["kind"], entry["writer"], tuple(entry["place"]), entry["what"], *values)

    def step_clock(self, seconds: float) -> None:
        """Step the wall clock of all processes at once; the file holds what they are ahead of the machine's."""
        with self._offset.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            (now,) = struct.unpack("d", shared[:])
            shared[:] = struct.pack("d", now + seconds)

    def restart_server(self) -> None:
        """Kill -9 mongod, and start it again a little later."""
        os.kill(self.server.pid, 9)
        time.sleep(self.chance.uniform(0, 1.5))
        self.server.start()
        self.link.restore(int(self.server.uri.split(":")[-1].split("/")[0]))
        self.mongo.reconnect()

    def both_ways(self, process: Process) -> None:
        """Expect that writes of each side reach the other one without a restart."""
        path, number = f"d_{process.device}", next(self._numbers)
        name, key = mine = self.mongo.make("things", "frommongo")
        code = key_for("people", "fromdevice", number)
        people = self.mongo.database["people"]
        process.send("make", name="people", key=code)
        process.until(lambda: people.find_one({"code": code}), "a new document of a device in MongoDB")
        process.send("write", name="people", key=code, what=path, value=number)
        process.until(lambda: people.find_one({"code": code, path: number}), "an edit of a device in MongoDB")
        process.send("await", name=name, key=key, what="m", value=self.mongo.write(mine, "m"))

    def problems(self, *devices: str) -> list[str]:
        """Let every bridge come in step, then compare all sides with what was acknowledged."""
        results = {}
        for device in devices * min(2, len(devices)):  # the first device has to fetch the writes of the last
            results[device] = self._settle(device)
        mongo, mongo_strays = self._in_mongo()
        stores, store_strays, found = {}, {}, []
        for device in devices:
            held = self.dump(device)
            if held.pop(SECRET):
                found += [f"{device}: {SECRET} arrived"]
            stores[device], store_strays[device] = self._in_store(held)
        unsynced = [one for result in results.values() for one in result["unsynced"]]
        return found + problems(self.journal, Sides(mongo, stores, mongo_strays, store_strays, unsynced))

    def _settle(self, device: str) -> Document:
        """Run `zava sync --once` to its end, and return what it printed."""
        ended = self.start("--once", device=device, silent=True).ends()
        assert ended.code in (0, 1), f"sync --once ends with {ended.code}: {ended.err[-1000:]}"
        assert ended.clean, ended.err[-2000:]
        result: Document = json.loads(ended.out)
        left = bool(result["unsynced"] or result.get("held"))
        assert (ended.code == 1) == left, "the exit code does not reflect unsynced documents"
        return result

    def dump(self, device: str = "a") -> Held:
        """Return every document of a store, by collection: pairs of _id and content, None where that cannot be read."""
        file = self.folder / "dump"
        unreadable = [
            (one.collection, one.identity) for one in self.journal.strays["device"] if one.name in strays.UNREADABLE
        ]
        order = {"mode": "dump", "device": device, "file": str(file), "names": [*NAMES, SECRET]}
        ended: Ended = self._start({**order, "unreadable": cbor2.dumps(unreadable).hex()}).ends()
        assert ended.code == 0, ended.err[-2000:]
        held: Held = cbor2.loads(file.read_bytes())
        return held

    def _in_mongo(self) -> tuple[dict[Place, Document], dict[Place, Document]]:
        known, ordinary, odd = self._stray_places(), {}, {}
        for name in NAMES:
            for document in self.mongo.database[name].find():
                key = key_of_mongo(name, document)
                places = [(name, text_of(document["_id"])), (name, text_of(key))]
                if (place := next((one for one in places if one in known), None)) is not None:
                    odd[place] = document
                else:
                    assert (name, key) not in ordinary, f"{name} {key} is in MongoDB twice"
                    ordinary[name, str(key)] = document
        return ordinary, odd

    def _in_store(self, held: Held) -> tuple[dict[Place, Document], dict[Place, Document | None]]:
        known, odd = self._stray_places(), {}
        ordinary: dict[Place, Document] = {}
        for name, rows in held.items():
            for identity, document in rows:
                place = (name, text_of(identity))
                if place in known or document is None:
                    odd[place] = document
                else:
                    ordinary[name, str(key_of_device(name, document))] = document
        return ordinary, odd

    def _stray_places(self) -> set[Place]:
        return {(one.collection, text_of(one.identity)) for side in self.journal.strays.values() for one in side}

    def close(self) -> None:
        """End every process that is left, and drop the database."""
        self.mongo.end_chatter()
        for process in self._processes:
            process.kill()
        with suppress(PyMongoError):
            self.mongo.client.drop_database(self.mongo.name)
        self.mongo.reconnect()


@contextmanager
def arena_of(
    folder: Path, server: EmbeddedServer, seed: int, clock: Path | None = None, sabotage: tuple[str, ...] = ()
) -> Iterator[Arena]:
    """An arena with documents on MongoDB's side."""
    link = Link(int(server.uri.split(":")[-1].split("/")[0]))
    arena = Arena(folder, server, link, seed, clock, sabotage)
    try:
        arena.mongo.fill()
        yield arena
    finally:
        arena.close()
        link.close()
        shutil.rmtree(folder, ignore_errors=True)
