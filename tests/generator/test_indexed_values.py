"""Generated documents meet the indexes of a drafted model: on places, in arrays, on combinations of parents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from conformance.config.settings import Settings
from conformance.inspection.drafting.draft import draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import inspect
from conformance.model.validators.document_validator import breaches
from conformance.run.session import Project, assemble
from conformance.server.provision import apply, plan
from generator.columns.plan import Plan
from generator.loader import load

pytestmark = pytest.mark.server

Data = Database[dict[str, Any]]


def generated(database: Data, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, Any]]]:
    """Draft a model, replace the documents by generated ones, and build the model's indexes on them."""
    monkeypatch.setattr("generator.columns.plan.BATCH", 40)
    project = drafted(database, folder)
    for name in project.model.collections:
        database[name].drop()
    load(Plan(project.model, project.configuration, project.settings).documents(), database, 1000)
    apply(plan(project.model, database, parts=frozenset({"indexes"})), database)
    made = {name: list(database[name].find()) for name in project.model.collections}
    assert all(len(documents) == 100 for documents in made.values())
    assert all(breaches(project.model[name], one) == [] for name, documents in made.items() for one in documents)
    return made


def drafted(database: Data, folder: Path) -> Project:
    write_model(draft(database, inspect(database), ()), folder, database.name)
    return assemble(folder, Settings(mongodb_database=database.name))


def test_places_are_on_the_map(database: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database["shops"].insert_many(
        {
            "_id": n,
            "location": {"type": "Point", "coordinates": [n, n / 2]},
            "at": {"geo": [n / 2, n / 3]},
            "spot": {"lng": n / 2, "lat": n / 3},
            "corner": {"type": "Point", "coordinates": [n, n]} if n % 2 else [n, n],
        }
        for n in range(40)
    )
    for path, kind in (("location", "2dsphere"), ("at.geo", "2d"), ("spot", "2dsphere"), ("corner", "2dsphere")):
        database["shops"].create_index([(path, kind)])
    made = generated(database, tmp_path / "model", monkeypatch)["shops"]
    assert {one["location"]["type"] for one in made} == {"Point"}
    assert len({tuple(one["at"]["geo"]) for one in made}) == 100


def test_unique_keys_in_arrays_differ(database: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MongoDB takes an empty array for null, so that a unique index allows one document with it."""
    database["users"].insert_many(
        {"_id": n, "emails": [{"address": f"a{n}@example.com"} | ({"label": "x"} if n % 2 else {})], "codes": [n]}
        for n in range(30)
    )
    database["users"].create_index("emails.address", unique=True)
    database["users"].create_index("codes", unique=True)
    made = generated(database, tmp_path / "model", monkeypatch)["users"]
    addresses = [email["address"] for one in made for email in one["emails"]]
    assert len(set(addresses)) == len(addresses) > 100


def test_combinations_of_parents_differ(database: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No user likes a product twice; a product is open and closed at most once each."""
    users, products = ([ObjectId() for _ in range(50)] for _ in range(2))
    database["users"].insert_many({"_id": each, "age": 1} for each in users)
    database["products"].insert_many({"_id": each, "price": 1} for each in products)
    database["likes"].insert_many({"user_id": users[n % 50], "product_id": products[n * 7 % 49]} for n in range(99))
    database["likes"].create_index([("user_id", 1), ("product_id", 1)], unique=True)
    database["states"].insert_many(
        {"product_id": each, "open": is_open} for each in products for is_open in (True, False)
    )
    database["states"].create_index([("product_id", 1), ("open", 1)], unique=True)
    made = generated(database, tmp_path / "model", monkeypatch)
    assert len({one["user_id"] for one in made["likes"]}) > 20
    assert len({one["product_id"] for one in made["likes"]}) > 20


def test_reference_with_a_unique_index_is_to_a_document_of_its_own(
    database: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some users have a cart, and none has two."""
    users = [ObjectId(f"{n:024x}") for n in range(120)]
    database["users"].insert_many({"_id": each} for each in users)
    database["carts"].insert_many({"_id": n, "user": each} for n, each in enumerate(users[:40]))
    database["carts"].insert_one({"_id": 99})
    database["carts"].create_index("user", unique=True, sparse=True)
    database["lockers"].insert_many({"_id": n, "owner": each} for n, each in enumerate(users[:50]))
    database["lockers"].create_index("owner", unique=True)
    assert draft(database, inspect(database), ()).notes["lockers"].questions == []
    made = generated(database, tmp_path / "model", monkeypatch)
    keys = {one["_id"] for one in made["users"]}
    for name, field in (("carts", "user"), ("lockers", "owner")):
        held = [one[field] for one in made[name] if field in one]
        assert len(set(held)) == len(held) > 20
        assert set(held) <= keys
