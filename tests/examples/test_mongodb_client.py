"""examples/mongodb_client.py: its output, its errors and its retries."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, DuplicateKeyError

from tests.commands import copy_of_the_model
from tests.examples.expected import EXAMPLES, _sales_by_date, live
from tests.mcp_servers.shop import environment

pytest_plugins = ["tests.commands", "tests.mcp_servers.shop"]


Document = dict[str, Any]
Mongo = Database[Document]
Rows = list[Document]


# examples/mongodb_client.py


@pytest.fixture(scope="module")
def client_module() -> ModuleType:
    """Return the example as a module."""
    spec = importlib.util.spec_from_file_location("mongodb_client", EXAMPLES / "mongodb_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the example beside a copy of the model and its .env, from another folder."""
    copy_of_the_model(folder)
    copy, elsewhere = folder / "examples" / "mongodb_client.py", folder / "elsewhere"
    copy.parent.mkdir()
    elsewhere.mkdir()
    shutil.copy(EXAMPLES / copy.name, copy)
    return subprocess.run(
        [sys.executable, str(copy)], cwd=elsewhere, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def bare(shop: Mongo) -> Mapping[str, str]:
    """Return an environment that names no database."""
    return {name: value for name, value in environment(shop).items() if name != "MONGODB_DATABASE"}


def test_client_connects_by_env_and_prints_every_step(
    tmp_path: Path, shop: Mongo, shop_uri: str, bare: Mapping[str, str], every: Mapping[str, Rows]
) -> None:
    env_file = f"MONGODB_CONNECTION_STRING={shop_uri}\nMONGODB_DATABASE={shop.name}\n"
    (tmp_path / ".env").write_text(env_file, encoding="utf-8")
    before = shop.command("dbHash")["md5"]
    done = program(tmp_path, bare)
    assert (done.returncode, done.stderr) == (0, "")
    steps = {name: found for line in done.stdout.splitlines() for name, found in json.loads(line).items()}
    key = {"store_id": "store_seattle", "product_id": "prod_ht-ha-0001"}
    assert steps["created"].items() >= {**key, "stock_level": 3, "deleted": False}.items()
    assert steps["refused"] == key
    assert steps["sold 2"]["stock_level"] == 1
    assert steps["sold 2 more"] is None
    assert steps["deleted"] == [True, False]
    assert steps["read again"] is None
    assert (steps["inserted in batches"]["inserted"], steps["inserted in batches"]["refused"]) == (2_400, 100)
    day = max(live(every["orders"]), key=lambda one: one["order_date"])["order_date"][:10]
    assert steps["sales of the last day"] == [
        {"_id": each["_id"], "n": each["orders"], "sales": each["sales"]}
        for each in _sales_by_date(every, f"{day}T00:00:00Z", f"{day}T23:59:59Z")
    ]
    assert steps["something to water the lawn"][0]["product_id"] == "prod_go-wt-0007"
    assert shop.command("dbHash")["md5"] == before
    assert not [name for name in shop.client.list_database_names() if "_example_" in name]


@pytest.mark.parametrize(
    ("env_file", "message"),
    [
        ("", "MONGODB_CONNECTION_STRING is not set: cp .env.sample .env"),
        ("MONGODB_CONNECTION_STRING=mongodb://u:secret@", "ConfigurationError: "),
    ],
)
def test_client_reports_errors_in_one_line(
    tmp_path: Path, bare: Mapping[str, str], env_file: str, message: str
) -> None:
    (tmp_path / ".env").write_text(env_file, encoding="utf-8")
    done = program(tmp_path, bare)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr


def test_client_retries_a_limited_number_of_times(client_module: ModuleType) -> None:
    waited: list[float] = []
    failures = iter([AutoReconnect("gone"), AutoReconnect("gone"), None])

    def work() -> str:
        error = next(failures)
        if error is not None:
            raise error
        return "done"

    assert client_module.with_retries(work, wait=waited.append) == "done"
    assert waited == [0.1, 0.2]

    def hopeless() -> None:
        raise AutoReconnect("gone")

    waited.clear()
    with pytest.raises(AutoReconnect):
        client_module.with_retries(hopeless, attempts=3, wait=waited.append)
    assert waited == [0.1, 0.2]


def test_client_does_not_retry_a_duplicate_key(client_module: ModuleType) -> None:
    calls = []

    def work() -> None:
        calls.append(1)
        raise DuplicateKeyError("there already")

    with pytest.raises(DuplicateKeyError):
        client_module.with_retries(work, wait=lambda _: None)
    assert len(calls) == 1


def test_two_tills_sell_the_last_piece_once(client_module: ModuleType, database: Mongo) -> None:
    shelf_id = client_module.create_shelf(database["inventory"], "store_seattle", "prod_ht-ha-0001", 1)
    sold_by = [client_module.sell(database["inventory"], shelf_id, 1) for _ in range(2)]
    assert [each is not None for each in sold_by] == [True, False]
