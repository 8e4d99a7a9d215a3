"""No false alarms: conformant data of many seeds, sizes and periods has no finding, also after harmless edits."""

from __future__ import annotations

import ast
import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.results import Result
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from tests.faults.catalogue import Fault, shipped_catalogue
from tests.faults.engine.fault_runner import FaultRunner
from tests.faults.engine.place import Place

HARMLESS = shipped_catalogue().harmless


@dataclass(frozen=True)
class Dataset:
    """The settings of one dataset."""

    seed: int
    customers: int
    orders: int
    start: dt.date
    end: dt.date

    def __str__(self) -> str:
        """Return the parameters as an id of the test."""
        return f"{self.orders}-orders-of-{self.customers}-{self.start}-{self.end}-seed-{self.seed}"


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


#: Periods that are easily got wrong, each with sizes that are.
PERIODS = (
    (day("2020-01-01"), day("2026-12-31")),
    (day("2024-02-29"), day("2024-02-29")),
    (day("2023-07-01"), day("2023-07-31")),
    (day("2025-12-31"), day("2026-01-01")),
    (day("2027-01-01"), day("2031-12-31")),
    (day("1999-12-01"), day("2000-03-01")),
    (day("2020-12-31"), day("2026-01-01")),
    (day("2026-01-01"), day("2026-12-31")),
)
SIZES = ((1, 1), (1, 2), (5, 1), (3, 40), (500, 90), (40, 150), (60, 400), (1, 250), (200, 999), (500, 1000))
LARGER = ((300, 2500), (400, 4000))


def datasets(number: int, first_seed: int) -> Iterator[Dataset]:
    """Yield datasets: the first twenty cover every period and size; the others are random, seeded by position."""
    for position in range(number):
        if position < 20:
            start, end = PERIODS[position % len(PERIODS)]
            customers, orders = SIZES[position % len(SIZES)]
        elif position < 22:
            (start, end), (customers, orders) = PERIODS[0], LARGER[position - 20]
        else:
            rng = np.random.default_rng([first_seed, position])
            start = day("2015-01-01") + dt.timedelta(days=int(rng.integers(0, 5000)))
            end = start + dt.timedelta(days=int(3000 * rng.random() ** 2))
            customers, orders = int(rng.integers(1, 501)), int(10 ** rng.uniform(0, 3.2))
        yield Dataset(first_seed + position, customers, orders, start, end)


def findings(results: list[Result]) -> list[str]:
    """Return results that are neither passed nor skipped, one line each."""
    return [
        f"{one.id} {one.status} {one.violations}: {one.reason or [(s.ref or s.id, s.why) for s in one.samples]}"
        for one in results
        if one.status not in ("passed", "skipped")
    ]


def validated(place: Place, dataset: Dataset) -> list[Result]:
    settings = place.settings(
        "small",
        num_customers=dataset.customers,
        num_orders=dataset.orders,
        start_date=dataset.start,
        end_date=dataset.end,
        seed=dataset.seed,
    )
    with place.conformant(settings) as context:
        return run(context)


def run(context: Context) -> list[Result]:
    with Run(all_rules(context.model, context.configuration), context) as running:
        return running.results()


@pytest.mark.parametrize("dataset", list(datasets(30, 1_000)), ids=str)
def test_conformant_dataset_has_no_finding(dataset: Dataset, place: Place) -> None:
    results = validated(place, dataset)
    assert findings(results) == []
    assert sum(one.status == "passed" for one in results) > 400


def test_threads_of_a_run_do_not_parse_python(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent parsing raises a SystemError in Python 3.11, there or in pytest and Hypothesis."""
    parse = ast.parse

    def here(*arguments: Any, **options: Any) -> ast.AST:
        assert threading.current_thread() is threading.main_thread()
        return parse(*arguments, **options)

    monkeypatch.setattr(ast, "parse", here)
    assert findings(validated(place, list(datasets(22, 1_000))[-1])) == []


@pytest.mark.parametrize("edit", HARMLESS, ids=lambda edit: edit.id)
def test_harmless_edits_have_no_finding(edit: Fault, fault_runner: FaultRunner) -> None:
    verdict = fault_runner.verdict(edit, everything=True)
    assert list(verdict.problems) == []
    assert verdict.killed == ()


def neighbours(client: MongoClient[dict[str, Any]], name: str, suffix: str) -> list[Database[dict[str, Any]]]:
    """The validated database, the users' database, and others with names and collections like those of the shop."""
    return [client[name], client["admin"], *(client[f"{one}_{suffix}"] for one in ("zava_staging", "orders", "legacy"))]


@pytest.mark.parametrize("roles", [("read",), ("readWrite",), ("dbOwner", "dbAdmin"), ()], ids=" ".join)
def test_extra_users_and_databases_have_no_finding(roles: tuple[str, ...], fault_runner: FaultRunner) -> None:
    """Each database has a foreign user and role; other databases on the server have broken documents."""
    client, suffix = fault_runner.place.client, uuid.uuid4().hex[:8]
    context, _ = fault_runner.context("tiny")
    with ExitStack() as undo:
        for database in neighbours(client, context.database.name, suffix):
            user, role = f"user_{suffix}", f"role_{suffix}"
            seen = {"resource": {"db": database.name, "collection": "orders"}, "actions": ["find"]}
            database.command("createRole", role, privileges=[seen], roles=[])
            undo.callback(database.command, "dropRole", role)
            database.command("createUser", user, pwd=uuid.uuid4().hex, roles=[role, *roles])
            undo.callback(database.command, "dropUser", user)
            if database.name.endswith(suffix):
                undo.callback(client.drop_database, database.name)
                database["orders"].insert_many([{"order_id": 7}, {"total": "free"}])
                database["unknown"].create_index("anything")
        assert findings(run(context)) == []


def test_at_least_80_harmless_edits_exist() -> None:
    assert len({edit.id for edit in HARMLESS}) >= 80


@pytest.mark.soak
@pytest.mark.parametrize("dataset", list(datasets(300, 50_000)), ids=str)
def test_three_hundred_conformant_datasets_have_no_finding(dataset: Dataset, place: Place) -> None:
    assert findings(validated(place, dataset)) == []
