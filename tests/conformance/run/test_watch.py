"""Watching a database: a change runs the rules that depend on it, and restarts are survived."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, UpdateOne
from rich.console import Console

from conformance.checks.base import Rule
from conformance.connection.decoding import OPTIONS
from conformance.embedded.server import EmbeddedServer
from conformance.errors import TargetError
from conformance.results import TargetInfo
from conformance.run.compare import difference
from conformance.run.selection import select
from conformance.run.session import Project, load_project
from conformance.run.watch import Changes, Verdict, Watch
from conformance.server.target import Target
from tests.commands import Workplace
from tests.conformance.report.report_example import REPORT, report, result
from tests.conformance.run.numbered import numbered
from zava.verdict.watch import _View, what

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["numbered"]


Mongo = MongoClient[dict[str, Any]]
#: Rules of every kind: single documents, joins, counts, metadata, plans.
ONLY = ("references", "documents.orders", "documents.stores", "counts", "indexes.orders", "totals", "queries.orders")


@pytest.fixture(scope="module")
def project(workplace: Workplace) -> Project:
    """The workplace's model and sizes."""
    return load_project(workplace.root, num_customers=50, num_orders=200)


def target_on(uri: str, name: str, client: Mongo) -> Target:
    """Return a named server as the target."""
    database = client.get_database(name, codec_options=OPTIONS)
    return Target(client, database, TargetInfo(uri, name, "6.0", embedded=False))


Watched = tuple[Iterator[Verdict], Target, Sequence[Rule]]


@contextmanager
def watching(project: Project, uri: str, name: str, *only: str) -> Iterator[Watched]:
    """Yield the verdicts on a database, the target, and the rules."""
    rules = select(project.rules, only)
    with MongoClient[dict[str, Any]](uri) as client:
        target = target_on(uri, name, client)
        with closing(Watch(project, target, rules, "watch", quiet=0.2).verdicts()) as verdicts:
            yield verdicts, target, rules


def broken(each: Verdict) -> set[str]:
    """Return the ids of newly broken rules."""
    assert each.since is not None
    return {change.result.id for change in each.since.new}


def fixed(each: Verdict) -> set[str]:
    """Return the ids of rules that were broken and now pass."""
    assert each.since is not None
    return {change.result.id for change in each.since.fixed}


def test_change_runs_only_the_rules_that_depend_on_it(project: Project, copied: str, uri: str) -> None:
    with watching(project, uri, copied, *ONLY) as watched:
        follow_changes(*watched)


def follow_changes(verdicts: Iterator[Verdict], target: Target, rules: Sequence[Rule]) -> None:
    """Change documents, and assert after each change that exactly the affected rules break."""
    first = next(verdicts)
    assert (first.since, first.evaluated, first.report.exit_code()) == (None, len(rules), 0)

    orders = target.database["orders"]
    order = orders.find_one()
    assert order is not None
    target.database.command("collMod", "orders", validationLevel="off")
    orders.update_one({"_id": order["_id"]}, {"$set": {"customer_id": "cust_nobody"}})
    found = next(verdicts)
    assert found.changes.collections == {"orders"}
    assert broken(found) == {"references.orders.customer_id"}
    assert 0 < found.evaluated < len(rules)

    orders.replace_one({"_id": order["_id"]}, order)
    assert fixed(next(verdicts)) == {"references.orders.customer_id"}

    # The parent goes: what breaks is about the child, which did not change.
    target.database["customers"].delete_one({"customer_id": order["customer_id"]})
    found = next(verdicts)
    assert found.changes.collections == {"customers"}
    assert broken(found) >= {"references.orders.customer_id", "counts.customers.documents"}

    target.database["notes"].insert_one({})
    found = next(verdicts)
    assert (found.changes.listed, found.changes.collections) == (True, frozenset())
    assert broken(found) == {"counts._database.unknown-collections"}

    orders.drop_index("status_1")
    found = next(verdicts)
    assert broken(found) == {"indexes.orders.status"}
    assert found.report.number("failed") > 1  # the rules that were broken before still are


def test_many_changes_give_one_verdict_and_are_not_stored(project: Project, numbered: str, uri: str) -> None:
    with watching(project, uri, numbered, "counts.orders") as (verdicts, target, _):
        assert next(verdicts).report.exit_code() == 0
        touches = [UpdateOne({"_id": number % 200}, {"$set": {"at": number}}) for number in range(4000)]
        target.database["orders"].bulk_write(touches, ordered=False)
        found = next(verdicts)
    assert found.changes.events > 1000
    assert (found.changes.collections, found.evaluated) == ({"orders"}, 1)
    assert found.report.exit_code() == 0


def test_dropped_database_runs_all_rules_again(project: Project, numbered: str, uri: str) -> None:
    with watching(project, uri, numbered, "counts", "indexes.stores") as (verdicts, target, rules):
        next(verdicts)
        target.client.drop_database(target.database.name)
        found = next(verdicts)
        while not found.changes.everything:  # each dropped collection is a change of its own, before the end of all
            found = next(verdicts)
    assert found.evaluated == len(rules)
    assert found.report.counts["orders"] == 0


@pytest.mark.soak
def test_watch_continues_after_a_restart_of_the_server(project: Project, tmp_path: Path) -> None:
    rules = select(project.rules, ["counts.stores", "uniqueness.stores"])
    restarted = EmbeddedServer(tmp_path, cache_gb=0.25, linger=0.2)
    reasons: list[str] = []

    def away(reason: str) -> None:
        reasons.append(reason)
        if len(reasons) == 1:
            restarted.start()
            with MongoClient[dict[str, Any]](restarted.uri) as client:
                client["shop"]["stores"].insert_one({"store_id": "while away"})

    with EmbeddedServer(tmp_path, cache_gb=0.25, linger=0.2) as server:
        with MongoClient[dict[str, Any]](server.uri, serverSelectionTimeoutMS=2000) as client:
            client["shop"]["stores"].insert_one({"store_id": "before"})
            watch = Watch(project, target_on(server.uri, "shop", client), rules, "watch", away=away, quiet=0.2)
            with closing(watch.verdicts()) as verdicts:
                assert next(verdicts).report.counts["stores"] == 1
                client["shop"]["stores"].insert_one({"store_id": "seen"})
                assert next(verdicts).report.counts["stores"] == 2
                os.kill(server.pid, signal.SIGKILL)
                found = next(verdicts)
        restarted.stop()
    assert found.report.counts["stores"] == 3
    assert (found.changes.collections, found.changes.everything) == ({"stores"}, False)  # it went on where it was
    assert reasons
    assert "127.0.0.1" in reasons[0]


@pytest.mark.soak
def test_killed_embedded_server_is_one_error(project: Project, tmp_path: Path) -> None:
    rules = select(project.rules, ["counts.stores"])
    with (
        EmbeddedServer(tmp_path, cache_gb=0.25, linger=0.2) as server,
        MongoClient[dict[str, Any]](server.uri, serverSelectionTimeoutMS=2000) as client,
    ):
        target = replace(target_on(server.uri, "shop", client), server=server)
        with closing(Watch(project, target, rules, "watch", quiet=0.2).verdicts()) as verdicts:
            next(verdicts)
            os.kill(server.pid, signal.SIGKILL)
            with pytest.raises(TargetError, match=r"mongod .*SIGKILL"):
                next(verdicts)


def test_watch_of_a_standalone_server_is_rejected(project: Project, tmp_path: Path) -> None:
    with (
        EmbeddedServer(tmp_path, cache_gb=0.25, replica_set=False, linger=0.2) as server,
        watching(project, server.uri, "shop", "counts.stores") as (verdicts, _, _),
        pytest.raises(TargetError, match="leave out --watch"),
    ):
        next(verdicts)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (Changes(everything=True), "everything"),
        (Changes(frozenset({"b", "a"}), events=1234), "a, b (1,234 changes)"),
        (Changes(listed=True, events=1), "the collections themselves (1 change)"),
    ],
)
def test_changes_are_described(changes: Changes, words: str) -> None:
    assert what(changes) == words


def test_view_lists_broken_rules_and_recent_verdicts_only() -> None:
    view = _View(strict=False)
    for number in range(30):
        run = replace(REPORT, started_at=f"2026-11-22T05:00:{number:02d}Z")
        view.show(
            Verdict(run, Changes(frozenset({"children"}), events=1), 7, difference(report(result("counts.a.b")), run))
        )
    console = Console(width=120, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    with closing(console.file):
        console.print(view._rendered())
    shown = console.export_text()
    assert "NOT CONFORMANT: 3 rules are broken" in shown
    assert "references.children.parent_id" in shown
    assert shown.count("7 rules evaluated after children (1 change)") == 8
    assert "05:00:29Z" in shown
    assert "watching; Ctrl-C ends it" in shown
    assert "\x1b" not in shown
