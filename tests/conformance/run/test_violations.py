"""Every violation in files of JSON lines, and the library's own function."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError

import conformance
from conformance.connection.client import connect, greet
from conformance.embedded.server import EmbeddedServer
from conformance.errors import ConfigurationError, TargetError
from conformance.results import Report
from tests.validation import ROOT

pytestmark = pytest.mark.server


@pytest.fixture
def shop(database: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A database in which each document breaks several rules."""
    monkeypatch.delenv("MONGODB_CONNECTION_STRING", raising=False)
    database.stores.insert_many([{"_id": n, "store_id": "same", "store_name": n} for n in range(30)])
    database.orders.insert_many([{"_id": f"o{n}", "store_id": f"none{n}", "order_id": f"o{n}"} for n in range(40)])
    return database


def validate(shop: Any, **options: Any) -> Report:
    """Run rules with the library's function."""
    host, port = shop.client.address
    uri = f"mongodb://{host}:{port}/?directConnection=true"
    return conformance.validate(ROOT, uri=uri, database=shop.name, **options)


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_library_and_command_return_the_same_report(shop: Any) -> None:
    report = validate(shop, only=["uniqueness.stores.store_id", "references.orders.store_id"], exclude=["*-deleted"])
    assert not report.conformant
    assert report.exit_code() == 1
    found = {result.id: (result.status, result.violations, len(result.samples)) for result in report.results}
    assert found == {
        "uniqueness.stores.store_id": ("failed", 30, 5),
        "references.orders.store_id": ("failed", 40, 5),
    }


def test_files_contain_every_violation_of_each_broken_rule_only(shop: Any, tmp_path: Path) -> None:
    (tmp_path / "counts.stores.number.ndjson").write_text("old", encoding="utf-8")
    families = ["uniqueness.stores,references.orders,documents.orders,documents.stores"]
    report = validate(shop, only=families, samples=2, violations=tmp_path)
    broken = {result.id: result.violations for result in report.results if result.violations}
    assert len(broken) > 4
    assert {path.stem: len(lines(path)) for path in tmp_path.iterdir() if path.read_text() != "old"} == broken
    for result in report.results:
        first = lines(tmp_path / f"{result.id}.ndjson")[:2] if result.violations else []
        shown = [
            {**sample.as_json(), "_id": sample.id} if sample.ref is None else sample.as_json()
            for sample in result.samples
        ]
        assert first == shown


def test_files_of_passed_rules_are_removed(shop: Any, tmp_path: Path) -> None:
    rule = "uniqueness.stores.store_id"
    validate(shop, only=[rule], violations=tmp_path)
    assert len(lines(tmp_path / f"{rule}.ndjson")) == 30
    shop.stores.delete_many({"_id": {"$gt": 0}})
    validate(shop, only=[rule], violations=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_library_needs_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("MONGODB_CONNECTION_STRING", raising=False)
    for name in ("schemas", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    with pytest.raises(ConfigurationError, match="no server is named"):
        conformance.validate(tmp_path)


def test_wait_option_waits_for_a_server_that_starts_late(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, cache_gb=0.25) as first:
        uri = first.uri
    with connect(uri, "test", serverSelectionTimeoutMS=200) as client:
        started = time.monotonic()
        with pytest.raises(TargetError):
            greet(client, uri, wait=1)
        assert 1 <= time.monotonic() - started < 20


def test_waiting_ends_when_the_server_answers(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    host, port = shop.client.address
    uri = f"mongodb://{host}:{port}/?directConnection=true"
    with connect(uri, "test") as client:
        command = client.admin.command

        def late(*arguments: Any, **options: Any) -> Any:
            if not asked.is_set():
                asked.set()
                raise ServerSelectionTimeoutError("not yet")
            return command(*arguments, **options)

        admin = client.admin
        monkeypatch.setattr(type(admin), "command", lambda _, *a, **o: late(*a, **o))
        assert greet(client, uri, wait=5)
    assert asked.is_set()
