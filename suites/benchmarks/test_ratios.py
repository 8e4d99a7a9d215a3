"""The figures of docs/PERFORMANCE.md: ratios, measured side by side in one run on one server.

`make bench` prints them in one table. Seconds depend on the machine; what is asserted are the ratios.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.database import Database
from pytest_benchmark.fixture import BenchmarkFixture
from rich.console import Console
from rich.table import Table

from conformance import provision
from conformance.rules.base import Context
from conformance.rules.catalogue import DATA_FAMILIES
from conformance.runner import Run
from conformance.session import Project
from conformance.target import Target
from conformance.validator import validator
from generator.loader import load
from generator.plan import Plan

SHAPES = frozenset({"collections", "validators", "images"})
#: A process that makes every document of so many orders, encodes it, and prints its peak memory in MB.
MEMORY = """
import re, sys
from pathlib import Path
import bson
from conformance.session import load_project
from generator.plan import Plan
project = load_project(num_orders=int(sys.argv[1]))
for _, documents in Plan(project.model, project.configuration, project.settings).documents():
    for document in documents:
        bson.encode(document)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""

Row = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    """Rows that are printed when the module is done."""
    rows: list[Row] = []
    yield rows
    shown = Table("what", "against", "measured", "at most", title="Ratios")
    for row in rows:
        shown.add_row(*row)
    Console(width=120).print(shown)


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def empty(project: Project, database: Database[Any]) -> None:
    """Empty collections with validators and images, as generate has them."""
    database.client.drop_database(database.name)
    provision.apply(provision.plan(project.model, database, parts=SHAPES), database)


def test_generate_and_load(
    project: Project, scratch: Database[Any], table: list[Row], benchmark: BenchmarkFixture
) -> None:
    """Making and inserting the documents, against inserting them when they are made and encoded already."""
    settings = project.settings

    def generate() -> None:
        load(Plan(project.model, project.configuration, settings).documents(), scratch, settings.batch_size)

    empty(project, scratch)
    benchmark.pedantic(generate, rounds=1)
    generated = float(benchmark.stats["mean"])
    encoded = [
        (name, [RawBSONDocument(bson.encode(document)) for document in documents])
        for name, documents in Plan(project.model, project.configuration, settings).documents()
    ]

    def insert() -> None:
        for name, documents in encoded:
            collection = scratch.get_collection(name, write_concern=WriteConcern(w=1))
            for start in range(0, len(documents), settings.batch_size):
                collection.insert_many(documents[start : start + settings.batch_size], ordered=False)

    empty(project, scratch)
    plain = seconds(insert)
    total = sum(len(documents) for _, documents in encoded)
    scratch.client.drop_database(scratch.name)
    table.append(
        (
            f"generate + load, {total:,} documents: {generated:.1f} s",
            f"inserting them already encoded: {plain:.1f} s",
            f"{generated / plain:.2f}",
            "1.5",
        )
    )
    assert generated / plain <= 1.5


def test_data_rules(project: Project, target: Target, table: list[Row], benchmark: BenchmarkFixture) -> None:
    """All rules that read documents, against one server-side scan of all collections with $jsonSchema."""
    rules = [rule for rule in project.rules if rule.family in DATA_FAMILIES]

    def judge() -> None:
        context = Context(project.model, project.configuration, project.settings, target.database, True, None)
        with Run(rules, context) as run:
            run.results()

    def scan() -> None:
        for collection in project.model:
            target.database[collection.name].count_documents({"$nor": [validator(collection)]})

    before = seconds(scan)
    benchmark.pedantic(judge, rounds=1)
    judged = float(benchmark.stats["mean"])
    scanned = (before + seconds(scan)) / 2
    table.append(
        (
            f"{len(rules)} data rules: {judged:.1f} s",
            f"one $jsonSchema scan of all: {scanned:.1f} s",
            f"{judged / scanned:.2f}",
            "8",
        )
    )
    assert judged / scanned <= 8


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of one process is read from /proc")
def test_memory(project: Project, table: list[Row]) -> None:
    """Peak memory of the generating process at full size, and at three times the orders."""
    orders = project.settings.num_orders

    def peak(number: int) -> float:
        command = [sys.executable, "-c", MEMORY, str(number)]
        done = subprocess.run(command, cwd=project.model.root, capture_output=True, text=True, check=True)
        return float(done.stdout)

    once, thrice = peak(orders), peak(3 * orders)
    table.append((f"peak memory, {orders:,} orders: {once:.0f} MB", "400 MB", f"{once / 400:.2f}", "1"))
    table.append((f"peak memory, {3 * orders:,} orders: {thrice:.0f} MB", "the same", f"{thrice / once:.2f}", "1.2"))
    assert once <= 400
    assert thrice / once <= 1.2
