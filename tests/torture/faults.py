"""What happens to a running bridge while both sides write, by name; each gives the process that runs afterwards."""

from __future__ import annotations

import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.embedding import eventually
from tests.torture import strays
from tests.torture.arena import Arena
from tests.torture.process import SOON, Process

Fault = Callable[[Arena, Process], Process]


def calm(arena: Arena, process: Process) -> Process:
    """Nothing happens."""
    time.sleep(1)
    return process


def killed(arena: Arena, process: Process) -> Process:
    """Kill -9, at random instants from the start of the process on."""
    for _ in range(3):
        time.sleep(arena.chance.uniform(0, 2))
        process.kill()
        process = arena.start()
    return process


def stopped(arena: Arena, process: Process) -> Process:
    """SIGTERM, at random instants from the moment on in which the store is open; the device goes on offline."""
    for _ in range(2):
        time.sleep(arena.chance.uniform(0, 1.5))
        process.stop()
        offline = arena.start_device()
        time.sleep(1)
        offline.stop()
        process = arena.start()
        process.in_step()
    return process


def clock_back(arena: Arena, process: Process) -> Process:
    """The wall clock steps back by an hour."""
    process.in_step()
    arena.step_clock(-3600)
    return process


def clock_forward(arena: Arena, process: Process) -> Process:
    """The wall clock steps on by an hour."""
    process.in_step()
    arena.step_clock(3600)
    return process


def clock_swings(arena: Arena, process: Process) -> Process:
    """The wall clock steps back and on, by seconds and by days."""
    for _ in range(5):
        arena.step_clock(arena.chance.choice((-1, 1)) * arena.chance.choice((0.7, 3, 45, 600, 90_000)))
        time.sleep(arena.chance.uniform(0.1, 1.5))
    return process


def device_strays(arena: Arena, process: Process) -> Process:
    """Devices make documents that cannot or hardly can cross, of each kind."""
    process.in_step()
    _make_strays(arena, process, [name for name in strays.DEVICE if name not in strays.UNREADABLE])
    return process


def device_strays_offline(arena: Arena, process: Process) -> Process:
    """The same while no bridge runs, amid edits; then one starts."""
    process.in_step()
    process.stop()
    offline = arena.start_device()
    _make_strays(arena, offline, [name for name in strays.DEVICE if name not in strays.UNREADABLE])
    time.sleep(0.5)
    offline.stop()
    return arena.start()


def device_deep(arena: Arena, process: Process) -> Process:
    """Devices make documents that are nested too deep to be read."""
    process.in_step()
    _make_strays(arena, process, sorted(strays.UNREADABLE))
    time.sleep(1)
    return process


def device_deep_offline(arena: Arena, process: Process) -> Process:
    """The same while no bridge runs."""
    process.in_step()
    process.stop()
    offline = arena.start_device()
    _make_strays(arena, offline, sorted(strays.UNREADABLE))
    offline.stop()
    return arena.start()


def mongo_strays(arena: Arena, process: Process) -> Process:
    """MongoDB's clients make documents of every BSON type, deep ones, wide ones and huge ones."""
    names = list(strays.MONGO)
    arena.chance.shuffle(names)
    for name in names:
        arena.mongo.stray(name)
    return process


def _make_strays(arena: Arena, process: Process, names: list[str]) -> None:
    arena.chance.shuffle(names)
    for name in names:
        process.tell("stray", name=name)


def position_lost(arena: Arena, process: Process) -> Process:
    """MongoDB no longer knows the position in its changes, while it is followed and when the bridge starts."""
    process.in_step()
    arena.mongo.fail({"times": 1}, failCommands=["getMore"], errorCode=286)
    time.sleep(1)
    process.stop()
    arena.mongo.fail({"times": 1}, failCommands=["aggregate"], errorCode=286)
    return arena.start()


def images_off(arena: Arena, process: Process) -> Process:
    """Pre- and post-images are switched on, off and on again under way."""
    process.in_step()
    for enabled in (True, False, True, False):
        for name in ("things", "people", "stock", "keyed"):
            arena.mongo.database.command("collMod", name, changeStreamPreAndPostImages={"enabled": enabled})
        time.sleep(0.4)
    return process


def transactions(arena: Arena, process: Process) -> Process:
    """Transactions over several collections: committed ones, aborted ones, and one of more than 16 MB."""
    process.in_step()
    for number in range(20):
        arena.mongo.transact(["things", "people", "stock", "keyed"], abort=number % 4 == 3)
    arena.mongo.transact(["things", "people"], size=9_000_000)
    return process


def server_killed(arena: Arena, process: Process) -> Process:
    """Kill -9 of mongod, twice, while devices write."""
    process.in_step()
    for _ in range(2):
        time.sleep(arena.chance.uniform(0.2, 1.5))
        arena.restart_server()
    return process


def link_cut(arena: Arena, process: Process) -> Process:
    """The link to MongoDB breaks and comes back, at random instants."""
    process.in_step()
    for _ in range(4):
        time.sleep(arena.chance.uniform(0, 0.8))
        arena.link.cut()
        time.sleep(arena.chance.uniform(0, 0.8))
        arena.link.mend()
    return process


def step_down(arena: Arena, process: Process) -> Process:
    """The primary steps down and is elected again."""
    process.in_step()
    for _ in range(2):
        with MongoClient[dict[str, Any]](arena.server.uri) as client, suppress(PyMongoError):
            client.admin.command("replSetStepDown", 1, force=True)
        time.sleep(1.5)
    return process


def commits_in_doubt(arena: Arena, process: Process) -> Process:
    """The server does not say whether it committed, does not answer, or has a conflict of writes."""
    process.in_step()
    for data in (
        {"failCommands": ["commitTransaction"], "closeConnection": True},
        {"failCommands": ["update", "insert"], "closeConnection": True},
        {"failCommands": ["update"], "errorCode": 112, "errorLabels": ["TransientTransactionError"]},
        {"failCommands": ["find", "getMore"], "errorCode": 189},
    ):
        arena.mongo.fail({"times": 2}, **data)
        time.sleep(0.5)
    return process


def second_bridge(arena: Arena, process: Process) -> Process:
    """A second bridge is started with the same store and state, and with the same store and another state."""
    process.in_step()
    arena.start(silent=True).fails(2, 3)
    arena.start(silent=True, state=arena.folder / "other").fails(2, 3)
    return process


def state_lost(arena: Arena, process: Process) -> Process:
    """The bridge is stopped, its state is removed, and it starts again."""
    _quiet(arena, process)
    process.stop()
    shutil.rmtree(arena.place() / "state")
    return _resumed(arena)


def _resumed(arena: Arena) -> Process:
    """Start a bridge that has to compare everything; deletions that it could not know of are not asked of it."""
    process = arena.start(chatter=False)
    process.in_step()
    process.tell("chat", on=True)
    arena.mongo.begin_chatter()
    return process


def _quiet(arena: Arena, process: Process) -> None:
    """Wait until nobody writes any more, and everything has crossed: what is lost then is not missed."""
    process.in_step()
    process.tell("chat", on=False)
    arena.mongo.end_chatter()
    arena.both_ways(process)
    counts = arena.mongo.counts()
    process.tell("await_counts", **counts)
    process.until(lambda: arena.mongo.counts() == counts, "the same number of documents on both sides")


def state_replaced(arena: Arena, process: Process) -> Process:
    """The state's directory is removed and made again under a running bridge, which must stop."""
    return _replaced(arena, process, "state")


def store_replaced(arena: Arena, process: Process) -> Process:
    """The store's directory is removed and made again under a running bridge, which must stop."""
    return _replaced(arena, process, "store")


def _replaced(arena: Arena, process: Process, what: str) -> Process:
    _quiet(arena, process)
    directory = arena.place() / what
    shutil.rmtree(directory)
    directory.mkdir()
    ended = process.fails(2, 3)
    assert str(directory) in ended.err.strip().splitlines()[-1], ended.err[-600:]
    return _resumed(arena)


def state_disk_full(arena: Arena, process: Process) -> Process:
    """The disk of the state is full; the bridge ends and says so, and goes on when there is room."""
    process.in_step()
    process.stop()
    directory, kept = arena.place() / "state", arena.folder / "kept"
    shutil.move(directory, kept)
    directory.mkdir()
    size = 6_000 + sum(each.stat().st_size for each in kept.iterdir()) // 1024
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "torture", str(directory)], check=True)
    try:
        shutil.copytree(kept, directory, dirs_exist_ok=True)
        process = arena.start()
        process.in_step()
        with (directory / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"\0" * 4096)
            except OSError:
                pass
        ended = process.fails(3)
        assert "bridge.sqlite3" in ended.err
        (directory / "ballast").unlink()
        shutil.rmtree(kept)
        shutil.copytree(directory, kept)
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)
    shutil.rmtree(directory)
    shutil.move(kept, directory)
    return arena.start()


def files_limited(arena: Arena, process: Process) -> Process:
    """No file of the process may grow beyond a few hundred kilobytes, as on a full disk."""
    process.in_step()
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (300_000, 300_000))
    process.fails(3)
    return arena.start()


def dropped(arena: Arena, process: Process) -> Process:
    """A collection is dropped in MongoDB: it is announced, and devices keep it until somebody accepts that."""
    return _gone(arena, process, lambda: arena.mongo.database.drop_collection("stock"))


def renamed(arena: Arena, process: Process) -> Process:
    """A collection is renamed in MongoDB: the same."""
    return _gone(arena, process, lambda: arena.mongo.database["stock"].rename("elsewhere"))


def _gone(arena: Arena, process: Process, act: Callable[[], Any]) -> Process:
    _quiet(arena, process)
    before = arena.mongo.database["stock"].count_documents({})
    act()
    arena.journal.forget_collection("stock")
    assert eventually(lambda: process.ended or "--accept-drop" in process.said, SOON), process.said[-600:]
    assert "stock" in process.said
    if not process.ended:
        process.stop()
    assert len(arena.dump()["stock"]) == before, "a device lost documents without anybody's leave"
    process = arena.start("--accept-drop")
    arena.mongo.begin_chatter()
    return process


def device_deletes_most(arena: Arena, process: Process) -> Process:
    """A device deletes most of a collection: MongoDB keeps it until somebody accepts that."""
    _quiet(arena, process)
    before = arena.mongo.database["stock"].count_documents({})
    process.tell("delete_all", name="stock")
    assert eventually(lambda: process.ended or "--accept-drop" in process.said, SOON), process.said[-600:]
    assert "stock" in process.said
    if not process.ended:
        process.stop()
    assert arena.mongo.database["stock"].count_documents({}) > before * 0.85, "MongoDB lost documents without leave"
    process = arena.start("--accept-drop")
    arena.mongo.begin_chatter()
    return process


FAULTS: Final[Mapping[str, Fault]] = {
    each.__name__: each
    for each in (
        calm, killed, stopped, clock_back, clock_forward, clock_swings, device_strays, device_strays_offline,
        device_deep, device_deep_offline, mongo_strays, position_lost, images_off, transactions, server_killed,
        link_cut, step_down, commits_in_doubt, second_bridge, state_lost, state_replaced, store_replaced,
        state_disk_full, files_limited, dropped, renamed, device_deletes_most,
    )
}  # fmt: skip
