"""Making and loading the dataset, building its indexes, and what both cost in memory; and more data than that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.database import Database

from conformance.run.session import Project
from conformance.server import provision
from conformance.server.target import Target
from generator.columns.plan import Plan
from generator.dataset import SHAPES
from generator.loader import load
from suites.benchmarks.tables import Tables, seconds

#: A process that makes every document of so many orders, encodes it, and prints its peak memory in MB.
MEMORY = """
import re, sys
from pathlib import Path
import bson
from conformance.run.session import load_project
from generator.columns.plan import Plan
project = load_project(num_orders=int(sys.argv[1]))
for _, documents in Plan(project.model, project.configuration, project.settings).documents():
    for document in documents:
        bson.encode(document)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a peak of memory is read from /proc")


def empty(project: Project, database: Database[Any]) -> None:
    """Empty collections with validators and images, as generate has them."""
    database.client.drop_database(database.name)
    provision.apply(provision.plan(project.model, database, parts=SHAPES), database)


@pytest.fixture(scope="module")
def generated(project: Project, scratch: Database[Any]) -> Iterator[tuple[Database[Any], float]]:
    """Yield the whole dataset in a database without indexes, and the seconds that making and loading it took."""
    empty(project, scratch)
    plan = Plan(project.model, project.configuration, project.settings)
    taken = seconds(lambda: load(plan.documents(), scratch, project.settings.batch_size))
    yield scratch, taken
    scratch.client.drop_database(scratch.name)


def test_generate_and_load(
    project: Project,
    target: Target,
    generated: tuple[Database[Any], float],
    tables: Tables,
    pytestconfig: pytest.Config,
) -> None:
    """Making and inserting the documents, against inserting them when they are made and encoded already."""
    settings = project.settings
    plan = Plan(project.model, project.configuration, settings)
    encoded = [
        (name, [RawBSONDocument(bson.encode(document)) for document in documents])
        for name, documents in plan.documents()
    ]

    def insert(database: Database[Any]) -> None:
        for name, documents in encoded:
            collection = database.get_collection(name, write_concern=WriteConcern(w=1))
            for start in range(0, len(documents), settings.batch_size):
                collection.insert_many(documents[start : start + settings.batch_size], ordered=False)

    with target.scratch(allow_writes=pytestconfig.getoption("--allow-writes")) as database:
        assert database is not None  # or there would be no generated one
        empty(project, database)
        plain = seconds(lambda: insert(database))
    total = sum(len(documents) for _, documents in encoded)
    tables.ratio(
        f"generate + load, {total:,} documents: {generated[1]:.1f} s",
        f"inserting them, encoded already, in one plain loop: {plain:.1f} s",
        generated[1] / plain,
        aim=1.25,
        guard=2,
    )


def test_provisioning(project: Project, generated: tuple[Database[Any], float], tables: Tables) -> None:
    """All indexes as provision builds them, against one command after the other on the same documents."""
    database, _ = generated
    changes = provision.plan(project.model, database, parts=frozenset({"indexes"}))
    singles = [
        {**change.command, "indexes": [index]} for change in changes for index in change.command.get("indexes", ())
    ]

    def drop() -> None:
        for collection in project.model:
            database[collection.name].drop_indexes()

    def one_by_one() -> None:
        for command in singles:
            database.command(command)

    times: dict[str, float] = {"together": 0.0, "apart": 0.0}
    for _ in range(2):
        times["together"] += seconds(lambda: provision.apply(changes, database))
        drop()
        times["apart"] += seconds(one_by_one)
        drop()
    tables.ratio(
        f"provisioning {len(singles)} indexes: {times['together'] / 2:.1f} s",
        f"creating them one after the other on the loaded data: {times['apart'] / 2:.1f} s",
        times["together"] / times["apart"],
        aim=0.35,
        guard=0.75,
    )


@needs_proc
def test_memory(project: Project, tables: Tables) -> None:
    """Peak memory of the generating process at full size, and at three times the orders."""
    orders = project.settings.num_orders

    def peak(number: int) -> float:
        command = [sys.executable, "-c", MEMORY, str(number)]
        done = subprocess.run(command, cwd=project.model.root, capture_output=True, text=True, check=True)
        return float(done.stdout)

    once, thrice = peak(orders), peak(3 * orders)
    tables.ratio(f"peak memory, {orders:,} orders: {once:.0f} MB", "400 MB", once / 400, aim=1, guard=1)
    what = f"peak memory, {3 * orders:,} orders: {thrice:.0f} MB"
    tables.ratio(what, f"{orders:,} orders: {once:.0f} MB", thrice / once, aim=1.2, guard=1.2)


def job(project: Project, directory: Path, times: int) -> Mapping[str, float]:
    """Return the figures of the whole job on a server of its own, with so many times the orders and their lines."""
    orders = times * project.settings.num_orders
    command = [sys.executable, "-m", "suites.benchmarks.whole_job", str(directory), str(orders)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(command, cwd=project.model.root, env=env, stdout=subprocess.PIPE, text=True, check=True)
    shutil.rmtree(directory)
    found: Mapping[str, float] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def once(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, float]:
    """Return the figures at full size."""
    return job(project, tmp_path_factory.mktemp("once"), 1)


@pytest.mark.soak
@needs_proc
@pytest.mark.parametrize("times", [3, 10])
def test_many_times_the_data(
    times: int, project: Project, once: Mapping[str, float], tables: Tables, tmp_path: Path
) -> None:
    """Seconds and the client's memory, against full size: up to half an hour and 10 GB."""
    many = job(project, tmp_path / "many", times)
    for name, title in {"generate": "generate + load", "provision": "indexes", "validate": "data rules"}.items():
        tables.ratio(
            f"{title}, {many['documents']:,.0f} documents: {many[name]:.0f} s ({many[f'{name}_cpu']:.0f} s of CPU)",
            f"{once['documents']:,.0f} documents: {once[name]:.1f} s ({once[f'{name}_cpu']:.1f} s)",
            many[name] / once[name],
            aim=1.1 * times,
            guard=1.6 * times,
            title=f"{times} times the data",
        )
    what = f"client's peak memory, {many['documents']:,.0f} documents: {many['memory']:.0f} MB"
    against = f"at full size: {once['memory']:.0f} MB"
    ratio = many["memory"] / once["memory"]
    tables.ratio(what, against, ratio, aim=1.2, guard=1.5, title=f"{times} times the data")
