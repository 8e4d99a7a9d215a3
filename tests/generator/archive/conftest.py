"""A small database, and its export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer
from tests.commands import Done, Workplace
from tests.generator.archive.exports import MODEL, run

Mongo = MongoClient[dict[str, Any]]


@pytest.fixture(scope="module")
def small(generated: Done, mongo: Mongo) -> Iterator[str]:
    """Return the name of a database with the generated dataset, without most vectors, which take the most time."""
    assert generated.code == 0
    for collection in MODEL:
        few = [{"$limit": 5}] if any(field.kind == "vector" for field in collection.fields) else []
        out = {"$out": {"db": "small", "coll": collection.name}}
        mongo["zava"][collection.name].aggregate([{"$sort": {"_id": 1}}, *few, out])
    yield "small"
    mongo.drop_database("small")


@pytest.fixture(scope="module")
def exported(workplace: Workplace, small: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export this database into a folder."""
    folder = tmp_path_factory.mktemp("exports") / "small"
    with EmbeddedServer(workplace.directory, cache_gb=0.25) as server:
        done = run(workplace, server.uri, small, "export", str(folder))
    assert done.code == 0, done.err
    return folder
