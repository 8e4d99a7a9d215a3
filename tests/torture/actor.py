"""The process that is tortured: `zava sync` as a user runs it, with a device that writes into the same store.

    python -m tests.torture.actor '{"mode": "sync", "arguments": ["sync", …], "device": "a", "pipe": 5, "seed": 1, …}'

Commands for the device come as JSON lines on stdin; what it tried and what was acknowledged goes as JSON lines to the
file descriptor ``pipe``, which keeps them when the process is killed. Modes: ``sync`` (the command line with a device),
``device`` (a device alone, as if no bridge ran), ``dump`` (the store's documents, to a file).
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import cbor2

from conformance.errors import TargetError
from edge.store.statements import StatementError, identifier
from edge.store.store import Store
from tests.torture import sabotage, strays
from tests.torture.places import NAMES, device_id, fields_of, key_for

Document = dict[str, Any]

#: Documents of each collection that are there from the beginning.
DOCUMENTS: Final = 60
_PAUSE: Final = 0.004
#: The field that both sides write.
SHARED: Final = "both"
#: Documents of a collection that chatter may delete: more within a minute would be kept in MongoDB (held_deletions.py).
_DELETIONS: Final = 5


class Device:
    """A program that writes into the store: at random between two commands, and as commanded."""

    def __init__(self, store: Store, order: Document) -> None:
        self._store = store
        self._pipe = order["pipe"]
        self._name = order["device"]
        self._number = order["number"] * 1_000_000
        self._chance = random.Random(order["seed"])
        self._chatter = order["chatter"]
        self._alone = order["mode"] == "device"
        self._deletions: Counter[str] = Counter()
        self._keys = [(name, key_for(name, "old", number)) for name in NAMES for number in range(DOCUMENTS)]
        self._commands: queue.SimpleQueue[Document | None] = queue.SimpleQueue()
        self.ended = Event()
        Thread(target=self._listen, daemon=True).start()
        Thread(target=self._run, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            self._commands.put(json.loads(line))
        if self._alone:
            self._commands.put(None)
        else:  # the test that started the process has ended
            os.kill(os.getpid(), signal.SIGKILL)

    def _run(self) -> None:
        with suppress(TargetError):  # the store was closed: the process ends
            self._follow()

    def _follow(self) -> None:
        while True:
            try:
                command = self._commands.get(timeout=_PAUSE) if not self._chatter else self._commands.get_nowait()
            except queue.Empty:
                if self._chatter:
                    self._write_something()
                    time.sleep(_PAUSE)
                continue
            if command is None:
                self.ended.set()
                return
            getattr(self, f"_{command.pop('do')}")(**{k: v for k, v in command.items() if k != "number"})
            self._report("done", number=command["number"])

    def _report(self, kind: str, **entry: Any) -> None:
        os.write(self._pipe, (json.dumps({"kind": kind, "writer": self._name, **entry}) + "\n").encode())

    def _chat(self, on: bool) -> None:
        self._chatter = on

    def _stray(self, name: str) -> None:
        """Insert a stray document; the parent knows it by name."""
        collection, make = strays.DEVICE[name]
        self._report("stray", name=name, collection=collection, step="try")
        try:
            self._store.mutate(f"INSERT INTO {identifier(collection)} DOCUMENTS (:d)", {"d": make()})
        except StatementError:
            return
        self._report("stray", name=name, collection=collection, step="ack")

    def _write(self, name: str, key: str, what: str, value: Any = None) -> None:
        """Write one field of a document, after reading it."""
        self._number += 1
        self._set(name, key, what, self._number if value is None else value)

    def _make(self, name: str, key: str) -> None:
        self._number += 1
        document = {"_id": device_id(name, key), **fields_of(name, key), "map": {"n": self._number}}
        self._report("try", place=[name, key], what="made")
        self._store.mutate(f"INSERT INTO {identifier(name)} DOCUMENTS (:d)", {"d": document})
        self._report("ack", place=[name, key], what="made")
        self._keys.append((name, key))

    def _await(self, name: str, key: str, what: str, value: Any) -> None:
        """Wait until the store has the value in the field."""
        dql = f"SELECT * FROM {identifier(name)} WHERE _id = :id"  # noqa: S608
        while not any(one.get(what) == value for one in self._store.execute(dql, {"id": device_id(name, key)})):
            time.sleep(0.02)

    def _await_counts(self, **counts: int) -> None:
        """Wait until the store has so many documents in each collection, or fewer on MongoDB's side than they say."""
        while any(self._store.count(name) != number for name, number in counts.items()):
            time.sleep(0.02)

    def _delete(self, name: str, key: str) -> None:
        self._report("try", place=[name, key], what="deleted")
        dql = f"DELETE FROM {identifier(name)} WHERE _id = :id"  # noqa: S608
        done = self._store.mutate(dql, {"id": device_id(name, key)}).ids
        self._report("ack" if done else "none", place=[name, key], what="deleted")

    def _delete_all(self, name: str) -> None:
        for one, key in [place for place in self._keys if place[0] == name]:
            self._keys.remove((one, key))
            self._delete(one, key)

    def _write_something(self) -> None:
        """Edit a document, mostly; make one, at times; delete one, rarely."""
        kind, place = self._chance.random(), self._chance.randrange(len(self._keys))
        name, key = self._keys[place]
        if kind < 0.9:
            self._write(name, key, self._chance.choice((f"d_{self._name}", f"map.d_{self._name}", SHARED)))
        elif kind < 0.98:
            self._make(name, key_for(name, f"new{self._name}", self._number))
        elif self._deletions[name] < _DELETIONS:
            self._deletions[name] += 1
            del self._keys[place]
            self._delete(name, key)

    def _set(self, name: str, key: str, what: str, value: Any) -> None:
        dql = f"SELECT * FROM {identifier(name)} WHERE _id = :id"  # noqa: S608
        found = self._store.execute(dql, {"id": device_id(name, key)})
        if not found:
            return
        saw: Any = found[0]
        for step in what.split("."):
            saw = saw.get(step) if isinstance(saw, dict) else None
        self._report("try", place=[name, key], what=what, value=value, saw=saw)
        path = ".".join(map(identifier, what.split(".")))
        dql = f"UPDATE {identifier(name)} SET {path} = :value WHERE _id = :id"  # noqa: S608
        done = self._store.mutate(dql, {"value": value, "id": device_id(name, key)}).ids
        self._report("ack" if done else "none", place=[name, key], what=what, value=value)


def dump(store: Store, order: Document) -> None:
    """Write every document of the store to a file: by itself, so that one that cannot be read costs only itself."""
    held: dict[str, list[Any]] = {}
    unreadable = {(name, cbor2.dumps(identity)) for name, identity in cbor2.loads(bytes.fromhex(order["unreadable"]))}
    for name in order["names"]:
        rows = held[name] = []
        for row in store.execute(f"SELECT _id FROM {identifier(name)}"):  # noqa: S608
            if (name, cbor2.dumps(row["_id"])) in unreadable:
                rows.append([row["_id"], None])
                continue
            dql = f"SELECT * FROM {identifier(name)} WHERE _id = :id"  # noqa: S608
            found = store.execute(dql, {"id": row["_id"]})
            rows.append([row["_id"], found[0] if found else None])
    Path(order["file"]).write_bytes(cbor2.dumps(held))


def main(order: Document) -> None:
    """Run in one of the modes until the end, a signal or a kill."""
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # shows where a process hangs
    folder = Path(order["folder"])
    if order["mode"] == "dump":
        with Store.open(folder / "store") as store:
            dump(store, order)
        return
    if order["mode"] == "device":
        with Store.open(folder / "store") as store:
            device = Device(store, order)
            signal.signal(signal.SIGTERM, lambda *_: device.ended.set())
            device.ended.wait()
        return
    opened = Store.open.__func__  # type: ignore[attr-defined]

    def open_with_device(cls: type[Store], directory: Path, **options: Any) -> Store:
        store: Store = opened(cls, directory, **options)
        if not order.get("silent"):
            Device(store, order)
        return store

    Store.open = classmethod(open_with_device)  # type: ignore[method-assign,assignment]
    for name in order.get("sabotage", ()):
        getattr(sabotage, name)()
    sys.argv = ["zava", *order["arguments"]]
    from zava.main import main as zava

    zava()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
