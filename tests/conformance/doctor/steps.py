"""Runs of zava doctor, and the results of its steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.doctor import doctor
from tests.commands import Done, Workplace

STEPS = [
    "settings",
    "azure openai",
    "model",
    "connector",
    "connection",
    "version",
    "replica set",
    "privileges",
    "retention",
    "database",
    "unsynced",
    "change stream",
    "mongod",
    "node",
    "ditto",
    "disk",
]
OF_THE_SERVER = STEPS[5:12]
#: Statuses of the steps on a healthy named server, on which the connector has not run.
WELL = ["ok", "ok", "ok", "ok", "ok", "skipped", "ok"]


def steps(done: Done) -> dict[str, tuple[str, str]]:
    """Return status and detail by step."""
    assert "Traceback" not in done.err
    return {step["name"]: (step["status"], step["detail"]) for step in json.loads(done.out)}


def examine(workplace: Workplace, *flags: str, env: Mapping[str, str] | None = None) -> Done:
    return workplace.zava("doctor", "--json", *flags, env=env)


def create_collection(uri: str, database: str) -> None:
    """Create one collection of the model in a database that no other test provisions."""
    with MongoClient[dict[str, Any]](uri) as client:
        client[database].create_collection("stores")


OUTPUT = doctor._output


@cache
def output(*command: str) -> str:
    """Cache the output of a program, which is the same each time."""
    return OUTPUT(command)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each program once, and use short timeouts."""
    monkeypatch.setattr(doctor, "_output", lambda command: output(*command))
    monkeypatch.setattr("conformance.connection.client.PATIENCE_MS", 500)
