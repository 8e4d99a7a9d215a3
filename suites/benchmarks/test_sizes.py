"""Plans of the named queries, sizes of documents in MongoDB and on devices, and what each index costs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.ditto.connector import load_connector
from conformance.model.collection import Collection
from conformance.results import Result
from conformance.run.measurements import held_by_devices, measured
from conformance.run.runner import Run
from conformance.run.session import Project
from conformance.server import provision
from conformance.server.metadata import declared_index
from conformance.server.target import Target
from edge.bridge.synced_collection import Synced, synced_collections
from edge.store.sdk import unavailable
from edge.store.store import Store
from generator.dataset import SHAPES
from suites.benchmarks.tables import Tables, megabytes

#: Families whose results say what there is to measure.
FAMILIES: Final = ("crdt", "indexes", "queries")
#: Documents of a collection that are put into a store of their own, and that are inserted once for each index.
STORED: Final = 20_000
INSERTED: Final = 10_000
#: Collections with fewer documents than this are inserted in a moment, whatever their indexes.
LEAST: Final = 100
#: Turns of every index, so that a busy moment is nobody's.
TURNS: Final = 7
_STEP: Final = 1_000

needs_ditto = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


@pytest.fixture(scope="module")
def context(project: Project, target: Target) -> Context:
    """Return the validated dataset."""
    return Context(project.model, project.configuration, project.settings, target.database, True, None)


@pytest.fixture(scope="module")
def results(project: Project, context: Context) -> list[Result]:
    """Return the results of the families."""
    with Run([rule for rule in project.rules if rule.family in FAMILIES], context) as run:
        return run.results()


@pytest.fixture(scope="module")
def sizes(context: Context, results: list[Result]) -> Mapping[str, Any]:
    """Return what a report's pictures are drawn from."""
    return measured(context, results)


def test_plans(results: list[Result], tables: Tables) -> None:
    """Documents and keys that each named query reads."""
    header = ("query", "plan", "indexes", "keys read", "documents read", "returned", "read per returned")
    for result in results:
        if result.family != "queries":
            continue
        plan = result.evidence
        read, returned = plan["documents_examined"], plan["returned"]
        figures = (f"{plan['keys_examined']:,}", f"{read:,}", f"{returned:,}", f"{read / max(returned, 1):.1f}")
        stages = (stage for stage in plan["stages"] if stage.isupper())
        tables.row(
            "Plans of the named queries",
            header,
            f"{result.collection}.{result.subject}",
            " ".join(stages),
            ", ".join(plan["indexes"]),
            *figures,
        )


def stored(folder: Path, documents: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]) -> tuple[int, int]:
    """Return how many documents were put into a new store, and the bytes that its folder then takes."""
    with Store.open(folder) as store:
        number = sum(store.insert(name, rows) for name, rows in documents)
    return number, sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def synced(project: Project) -> Mapping[str, Synced]:
    """Return the collections that devices hold."""
    return synced_collections(project.model, load_connector(project.model))


@needs_ditto
def test_documents(
    context: Context, sizes: Mapping[str, Any], synced: Mapping[str, Synced], tables: Tables, tmp_path: Path
) -> None:
    """Sizes of the documents as BSON, as MongoDB stores them (compressed), and as Ditto does."""
    header = ("collection", "documents", "BSON: mean", "largest", "all", "MongoDB stores", "Ditto stores, a document")
    _, empty = stored(tmp_path / "empty", ())
    for name, found in sizes["sizes"].items():
        rows = context.collection(name).find().limit(STORED)
        number, size = stored(tmp_path / name, [(name, map(synced[name].to_ditto, rows))])
        figures = (
            f"{found['bytes'] / found['documents']:,.0f} B",
            f"{found['largest']:,} B",
            megabytes(found["bytes"]),
        )
        on_disk = context.database.command("collStats", name)["storageSize"]
        ours = f"{(size - empty) / number:,.0f} B (of {number:,})"
        tables.row("Documents", header, f"`{name}`", f"{found['documents']:,}", *figures, megabytes(on_disk), ours)


@needs_ditto
def test_devices(context: Context, synced: Mapping[str, Synced], tables: Tables, tmp_path: Path) -> None:
    """Measure a real store with the documents of each type of device; types with equal documents are measured once."""
    header = ("device", "documents", "most of them", "as BSON", "in Ditto's store", "Ditto / BSON")
    seen: list[Mapping[str, Any]] = []
    for device, _, finds in held_by_devices(context):
        if finds in seen:
            continue
        seen.append(finds)
        size = 0
        for name, query in finds.items():
            pipeline = [{"$match": query}, {"$group": {"_id": None, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}}}]
            size += next((row["bytes"] for row in context.collection(name).aggregate(pipeline)), 0)
        held = ((name, map(synced[name].to_ditto, context.collection(name).find(q))) for name, q in finds.items())
        number, on_disk = stored(tmp_path / device.name, held)
        counts = {name: context.collection(name).count_documents(query) for name, query in finds.items()}
        assert number == sum(counts.values())
        most = max(counts, key=lambda name: counts[name])
        tables.row(
            "Devices",
            header,
            device.title,
            f"{number:,}",
            f"`{most}` {counts[most]:,}",
            megabytes(size),
            megabytes(on_disk),
            f"{on_disk / size:.1f}",
        )


def inserting(
    database: Database[Any], collection: Collection, project: Project, documents: list[Any]
) -> Iterator[tuple[str, float]]:
    """Microseconds a document takes to insert without indexes (""), with each one, and with all of them ("all")."""
    indexes = {index.name: index for index in map(declared_index, collection.indexes)}
    chosen = {"": [], **{name: [index] for name, index in indexes.items()}, "all": list(indexes.values())}
    create = [one for one in provision.wish(project.model, parts=SHAPES) if one.collection == collection.name]
    times: dict[str, list[float]] = {name: [] for name in chosen}
    for _, (name, built) in itertools.product(range(TURNS), chosen.items()):
        database.drop_collection(collection.name)
        for change in create:
            database.command(dict(change.command))
        if built:
            database.command({"createIndexes": collection.name, "indexes": [dict(index.spec) for index in built]})
        started = time.perf_counter()
        for start in range(0, len(documents), _STEP):
            database[collection.name].insert_many(documents[start : start + _STEP], ordered=False)
        times[name].append((time.perf_counter() - started) / len(documents) * 1e6)
    return ((name, median(taken)) for name, taken in times.items())


def test_indexes(
    project: Project, context: Context, sizes: Mapping[str, Any], scratch: Database[Any], tables: Tables
) -> None:
    """The size of every index, the named queries that use it, and what it adds to an insert."""
    header = ("collection", "index", "size", "named queries that use it", "an insert takes", "the index adds")
    for collection in project.model:
        documents = list(context.collection(collection.name).find().limit(INSERTED))
        if len(documents) < LEAST:
            continue
        cost = dict(inserting(scratch, collection, project, documents))
        plain = cost[""]
        found = {one["name"]: one for one in sizes["indexes"] if one["collection"] == collection.name}
        title = "Indexes, and what each adds to an insert"
        tables.row(title, header, f"`{collection.name}`", "`_id_` alone", "", "", f"{plain:.1f} µs", "")
        for name, index in found.items():
            if name in cost:
                queries, more = ", ".join(index["queries"]), f"{cost[name] / plain - 1:+.0%}"
                cells = (megabytes(index["bytes"]), queries, f"{cost[name]:.1f} µs", more)
                tables.row(title, header, "", f"`{name}`", *cells)
        size = megabytes(sum(index["bytes"] for index in found.values()))
        tables.row(title, header, "", "all", size, "", f"{cost['all']:.1f} µs", f"{cost['all'] / plain - 1:+.0%}")
        scratch.drop_collection(collection.name)
