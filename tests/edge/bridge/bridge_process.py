"""A process with a store, the bridge, and a device that writes into the store; tests kill it.

    python -m tests.edge.bridge.bridge_process
        '{"folder": …, "uri": …, "database": …, "writes": 1, "seed": 1, "copy": true}'

The device logs every write in ``device.log`` in the folder, before it ("try") and after it was acknowledged ("ack", or
"none" if it changed nothing). The first byte of the file ``phase`` is the bridge's current phase.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, Final

from pymongo import MongoClient

from conformance.model.schemas.loading import load_model
from edge.bridge.bridge import Bridge, Hooks
from edge.bridge.state.state import State
from edge.bridge.synced_collection import Synced
from edge.store.statements import identifier
from edge.store.store import Store
from tests.edge.bridge.pair import SETTINGS, mapping_of

#: The collections that are written to; what is made in people gets an ObjectId in MongoDB.
NAMES: Final = ("things", "people")
#: Phases by the byte in the file; 0 means that the process has not reached the first phase.
PHASES: Final = ("start", "initial", "live", "flush")
#: Documents that are there from the beginning, of each collection.
DOCUMENTS: Final = 300
#: Fields that devices write; MongoDB's clients write others.
FIELDS: Final = ("d", "map.d")
_PAUSE: Final = 0.005


def original(number: int) -> str:
    """Return the name of one of the initial documents."""
    return f"old {number:04}"


def device(store: Store, note: Callable[..., None], seed: int, first: int) -> None:
    """Write without end: mostly edits, some new documents, and deletions of new documents; values only grow."""
    chance, number = random.Random(seed), first
    made: list[tuple[str, str]] = []
    while True:
        number += 1
        name, kind = chance.choice(NAMES), chance.random()
        if kind < 0.75:
            key, what = original(chance.randrange(DOCUMENTS)), chance.choice(FIELDS)
            dql = f"UPDATE {identifier(name)} SET {what} = :value WHERE _id = :id"  # noqa: S608
        elif kind < 0.95 or not made:
            key, what = f"device {number}", "new"
            dql = f"INSERT INTO {identifier(name)} DOCUMENTS (:document)"
        else:
            (name, key), what = made.pop(chance.randrange(len(made))), "deleted"
            dql = f"DELETE FROM {identifier(name)} WHERE _id = :id"  # noqa: S608
        document = {"_id": key, "code": key, "d": number, "map": {"d": number}}
        note("try", name, key, what, number)
        changed = store.mutate(dql, {"value": number, "id": key, "document": document}).ids
        note("ack" if changed else "none", name, key, what, number)
        if what == "new":
            made.append((name, key))
        time.sleep(_PAUSE)


def main(order: dict[str, Any]) -> None:
    """Run until killed; without a device, until both sides are in sync, and write the store's documents to a file."""
    folder = Path(order["folder"])
    model = load_model(folder)
    synced = {name: Synced(model[name], mapping_of(name)) for name in NAMES}
    settings = SETTINGS.model_copy(update={"batch_size": 10})
    log = os.open(folder / "device.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with (folder / "phase").open("r+b") as file:
        phase = mmap.mmap(file.fileno(), 1)

    def note(*entry: Any) -> None:
        os.write(log, (json.dumps(entry) + "\n").encode())

    def mark(name: str) -> None:
        phase[0] = PHASES.index(name)

    def link() -> MongoClient[dict[str, Any]]:
        return MongoClient(order["uri"])

    with Store.open(folder / "store") as store, State.open(folder / "state") as state:
        parts = link()[order["database"]], store, state, synced, settings
        bridge = Bridge(*parts, link=link, source="killed", hooks=Hooks(phase=mark))
        if order["copy"]:
            bridge.begin_copy()
        if not order["writes"]:
            bridge.run(once=True)
            held = {name: store.execute(f"SELECT * FROM {identifier(name)}") for name in NAMES}  # noqa: S608
            held["unsynced"] = [each.as_json() for each in state.unsynced]
            (folder / "held.json").write_text(json.dumps(held), encoding="utf-8")
            return
        Thread(target=device, args=(store, note, order["seed"], order["writes"]), daemon=True).start()
        bridge.run()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
