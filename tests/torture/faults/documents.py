"""Documents that cannot cross or hardly can, made while both sides write or while no bridge runs."""

from __future__ import annotations

import time

from tests.torture import strays
from tests.torture.arena import Arena
from tests.torture.process import Process


def device_strays(arena: Arena, process: Process) -> Process:
    """Devices make documents that cannot or hardly can cross, of each kind."""
    process.in_step()
    _make_strays(arena, process, [name for name in strays.DEVICE if name not in strays.UNREADABLE])
    return process


def few_strays(arena: Arena, process: Process) -> Process:
    """Devices and MongoDB's clients make a few documents that cannot cross."""
    process.in_step()
    _make_strays(arena, process, ["an integer as _id", "bytes as _id", "an object as _id", "bytes as value"])
    for name in ("null as _id", "a date as value", "bytes as value"):
        arena.mongo.stray(name)
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
        process.send("stray", name=name)
