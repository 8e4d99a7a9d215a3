"""Faults of processes, clocks, links and servers while both sides write."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.torture.arena import Arena
from tests.torture.process import Process


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
    """Send SIGTERM at random instants after the store was opened; the device continues offline."""
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
        arena.link.restore()
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
