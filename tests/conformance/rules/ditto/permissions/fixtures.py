"""Documents of three stores, and the two files of permissions and subscriptions."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.ditto.permissions import PERMISSIONS_FILE
from conformance.ditto.subscriptions import SUBSCRIPTIONS_FILE
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.ditto.permissions import permissions
from conformance.rules.ditto.sync import subscriptions
from tests.validation import ROOT, context_for, run_rules

Documents = dict[str, list[dict[str, Any]]]
IDS = [str(uuid.UUID(int=n, version=4)) for n in range(3)]


def documents() -> Documents:
    """Three stores, each with another number of documents; only fields that the rules read."""
    made: Documents = {
        "stores": [
            {"_id": f"store_{n}", "store_id": f"store_{n}", "rls_user_id": IDS[n], "deleted": False} for n in range(3)
        ],
        "categories": [{"_id": "cat_a", "category_id": "cat_a", "deleted": False}],
        "product_types": [{"_id": "type_a", "type_id": "type_a", "deleted": False}],
        "products": [{"_id": f"prod_{n}", "product_id": f"prod_{n}", "deleted": n == 0} for n in range(4)],
        "product_embeddings": [{"_id": "prod_0", "product_id": "prod_0", "deleted": False}],
    }
    for name in ("customers", "inventory", "orders", "order_items"):
        field = "primary_store_id" if name == "customers" else "store_id"
        made[name] = [
            {"_id": ObjectId(), field: f"store_{n}", "deleted": number == 0}
            for n in range(3)
            for number in range(n + 1)
        ]
    return made


@pytest.fixture(scope="module")
def filled(server: MongoClient[Any]) -> Iterator[Database[Any]]:
    """A database with the documents, which no test changes."""
    database = server[f"permissions_{uuid.uuid4().hex[:8]}"]
    for name, made in documents().items():
        database[name].insert_many(made)
    yield database
    server.drop_database(database.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the two files."""
    (tmp_path / "config").mkdir()
    for name in (PERMISSIONS_FILE, SUBSCRIPTIONS_FILE):
        shutil.copy(ROOT / "config" / name, tmp_path / "config")
    return tmp_path


@pytest.fixture
def verdict(model: Model, folder: Path) -> Callable[..., dict[str, Outcome]]:
    """Validate a database with the files in the folder."""

    def run(database: Database[Any], **context: Any) -> dict[str, Outcome]:
        own: Context = replace(context_for(replace(model, root=folder), database), **context)
        found = [*permissions.rules(own.model, own.configuration), *subscriptions.rules(own.model, own.configuration)]
        return run_rules(found, own)

    return run
