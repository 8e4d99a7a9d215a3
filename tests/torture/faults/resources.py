"""Faults of what a bridge works with: its directories, its disk, a second bridge, whole collections."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

from tests.conformance.embedded.processes import eventually
from tests.torture.arena import Arena
from tests.torture.process import SOON, Process


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
    process.send("chat", on=True)
    arena.mongo.begin_chatter()
    return process


def _quiet(arena: Arena, process: Process) -> None:
    """Wait until both sides are quiet and everything is synced: writes that are lost afterwards are acceptable."""
    process.in_step()
    process.send("chat", on=False)
    arena.mongo.end_chatter()
    arena.both_ways(process)
    counts = arena.mongo.counts()
    process.send("await_counts", **counts)
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
    """The disk of the state is full: the bridge ends with a message, and continues when there is space."""
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
    assert eventually(lambda: process.ended or "--accept-drop" in process.stderr, SOON), process.stderr[-600:]
    assert "stock" in process.stderr
    if not process.ended:
        process.stop()
    assert len(arena.dump()["stock"]) == before, "a device lost documents without anybody's leave"
    process = arena.start("--accept-drop")
    arena.mongo.begin_chatter()
    return process


def device_deletes_most(arena: Arena, process: Process) -> Process:
    """A device deletes most of a collection while no bridge runs: MongoDB keeps it until somebody accepts that."""
    _quiet(arena, process)
    before = arena.mongo.database["stock"].count_documents({})
    process.stop()
    offline = arena.start_device()
    offline.send("chat", on=False)
    offline.send("delete_all", name="stock")
    offline.stop()
    process = arena.start(chatter=False)
    assert eventually(lambda: process.ended or "--accept-drop" in process.stderr, SOON), process.stderr[-600:]
    assert "stock" in process.stderr
    if not process.ended:
        process.stop()
    assert arena.mongo.database["stock"].count_documents({}) > before * 0.85, "MongoDB lost documents without leave"
    process = arena.start("--accept-drop")
    arena.mongo.begin_chatter()
    return process
