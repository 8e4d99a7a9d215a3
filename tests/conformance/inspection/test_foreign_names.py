"""Databases whose names no programmer of the harness would choose: drafted, validated, broken, and found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from conformance.config.settings import Settings
from conformance.inspection.draft import draft
from conformance.inspection.draft_files import write_model
from conformance.inspection.inspection import inspect
from conformance.model.names import split_place, unfit_collection
from conformance.results import Result
from conformance.run.runner import Run
from conformance.run.session import Project, assemble
from conformance.server.provision import apply, plan
from tests.judging import context_for

pytestmark = pytest.mark.server

Documents = dict[str, list[dict[str, Any]]]


def drafted_project(database: Database[dict[str, Any]], folder: Path, sync: tuple[str, ...] = ()) -> Project:
    """The project of the model that `zava infer` writes for the database; its indexes and images are provisioned."""
    write_model(draft(database, inspect(database), sync), folder, database.name)
    project = assemble(folder, Settings(mongodb_database=database.name))
    apply(plan(project.model, database, parts=frozenset({"images", "indexes"})), database)
    return project


def broken(project: Project, database: Database[dict[str, Any]], *families: str) -> dict[str, Result]:
    """The rules of the families that are not fulfilled."""
    rules = [rule for rule in project.rules if rule.family in families]
    with Run(rules, context_for(project.model, database)) as run:
        results = list(run.results())
    assert any(result.status == "passed" for result in results)
    return {result.id: result for result in results if result.status not in ("passed", "skipped")}


DATA = ("documents", "references", "uniqueness", "indexes", "crdt", "sync", "counts")


def files() -> Documents:
    """GridFS, a collection with a hyphen, one with a blank, and one of Parse Server."""
    ids = [ObjectId(f"{number:024x}") for number in range(12)]
    return {
        "fs.files": [{"_id": one, "filename": f"f{n}.png", "length": n, "deleted": False} for n, one in enumerate(ids)],
        "fs.chunks": [
            {"_id": ObjectId(), "files_id": one, "n": n, "deleted": False} for one in ids for n in range(3)
        ],
        "order-events": [{"_id": f"e{n}", "kind": "made", "deleted": False} for n in range(9)],
        "Order Details": [{"_id": n, "price": n + 0.5, "deleted": False} for n in range(9)],
        "_User": [{"_id": f"u{n}", "username": f"ann{n}", "deleted": False} for n in range(9)],
    }  # fmt: skip


def test_collections_with_dots_hyphens_and_blanks_are_drafted_synced_and_validated(
    database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    for name, documents in files().items():
        database[name].insert_many(documents)
    database["fs.chunks"].create_index([("files_id", 1), ("n", 1)], unique=True)
    project = drafted_project(database, tmp_path / "model", tuple(files()))
    assert set(project.model.collections) == set(files())
    assert [(r.field, r.target, r.target_field) for r in project.model["fs.chunks"].references] == [
        ("files_id", "fs.files", "_id")
    ]
    found = broken(project, database, *DATA)
    assert set(found) == {"crdt.fs.chunks.types"}  # files_id is an ObjectId, which native mode does not take
    database["fs.files"].delete_one({"filename": "f3.png"})
    database["fs.files"].update_one({"filename": "f4.png"}, {"$set": {"length": "long"}})
    database["order-events"].update_one({"_id": "e1"}, {"$unset": {"kind": 1}})
    database["Order Details"].update_one({"_id": 2}, {"$set": {"price": [1]}})
    database["_User"].update_one({"_id": "u2"}, {"$set": {"email": "a@b.c"}})
    database["fs.chunks"].drop_index("files_id_1_n_1")
    found = broken(project, database, *DATA)
    numbers = {name: result.violations for name, result in found.items()}
    assert numbers == {
        "references.fs.chunks.files_id": 3,
        "documents.fs.files.length": 1,
        "documents.order-events.kind": 1,
        "documents.Order Details.price": 1,
        "crdt.Order Details.arrays": 1,
        "documents._User.extra-fields": 1,
        "indexes.fs.chunks.files_id+n": 1,
        "indexes.fs.chunks.foreign-keys": 1,
        "crdt.fs.chunks.types": 36,
    }
    assert found["documents.fs.files.length"].collection == "fs.files"
    assert found["documents.fs.files.length"].subject == "length"


def test_a_name_that_ditto_reserves_is_a_finding_of_a_synced_collection(
    database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    for name in ("__jobs", "_jobs"):
        database[name].insert_many([{"_id": f"j{n}", "deleted": False} for n in range(9)])
    project = drafted_project(database, tmp_path / "model", ("__jobs", "_jobs"))
    assert set(broken(project, database, *DATA)) == {"crdt.__jobs.collection-name"}
    assert "crdt.__jobs.collection-name" in {
        one.id for one in inspect(database).results if one.status == "failed" and one.family == "crdt"
    }


@pytest.mark.parametrize(
    "name", ["a$b", "a/b", "a%b", "a*", "a,b", "", ".a", "a.", "a..b", "system.js", "_config", " a", "a\nb", "n" * 201]
)
def test_names_that_no_model_can_have(name: str) -> None:
    assert unfit_collection(name) is not None


@pytest.mark.parametrize("name", ["order-events", "fs.files", "Order Details", "_User", "_Join:a:_Role", "größe", "1"])
def test_names_that_a_model_can_have(name: str) -> None:
    assert unfit_collection(name) is None


def test_the_longest_collection_is_meant() -> None:
    assert split_place("fs.files.meta.size", ["fs", "fs.files"]) == ("fs.files", "meta.size")
    assert split_place("fs.filesystem", ["fs", "fs.files"]) == ("fs", "filesystem")
    assert split_place("no.such.field", ["fs"]) == ("no", "such.field")
