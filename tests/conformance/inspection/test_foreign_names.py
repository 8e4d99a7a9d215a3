"""Databases whose names no programmer of the harness would choose: drafted, validated, broken, and found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from conformance.config.configuration import Assertion, Bound, Equation
from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.inspection.drafting.draft import draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import inspect
from conformance.model.names import split_place, unfit_collection, unfit_field
from conformance.model.validators.document_validator import conforms
from conformance.results import Result
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from conformance.run.session import Project, assemble
from conformance.server.provision import apply, plan
from generator.archive.archive import new_archive, open_archive
from generator.columns.plan import Plan
from tests.models import collection_of, model_of
from tests.validation import context_for

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


def listings() -> Documents:
    """Fields with blanks, hyphens, slashes and letters, of Mongoose, Spring Data and JSON-LD, at the top and nested."""
    return {
        "owners": [
            {"_id": f"o{n}", "Owner ID": f"own-{n}", "@type": "Person", "deleted": False, "__v": 0} for n in range(12)
        ],
        "listings": [
            {"_id": f"l{n}", "Restaurant ID": f"r-{n}", "Owner ID": f"own-{n % 12}", "_class": "com.example.Listing",
             "price/night": n + 0.5, "größe": n, "deleted": False, "0": "zero",
             "address": {"House No": n, "_geo": {"Lat (N)": n + 0.25}, "zip-code": f"{10000 + n}"}}
            for n in range(24)
        ],
    }  # fmt: skip


@pytest.fixture
def listed(database: Database[dict[str, Any]], tmp_path: Path) -> Project:
    for name, documents in listings().items():
        database[name].insert_many(documents)
    database["owners"].create_index("Owner ID", unique=True)
    database["listings"].create_index("Owner ID")
    database["listings"].create_index("address._geo.Lat (N)")
    return drafted_project(database, tmp_path / "model")


def test_fields_of_any_name_are_drafted_and_validated(listed: Project, database: Database[dict[str, Any]]) -> None:
    model = listed.model
    assert {field.path for field in model["listings"].fields} == set(listings()["listings"][0])
    assert model["listings"].has("address._geo.Lat (N)")
    assert [(r.field, r.target, r.target_field) for r in model["listings"].references] == [
        ("Owner ID", "owners", "Owner ID")
    ]
    assert not any(collection.open for collection in model)
    assert set(broken(listed, database, *DATA)) == set()
    listings_, owners = database["listings"], database["owners"]
    owners.delete_one({"_id": "o3"})
    listings_.update_one({"_id": "l4"}, {"$set": {"address._geo.Lat (N)": "north"}})
    listings_.update_one({"_id": "l5"}, {"$set": {"_class": 5, "price/night": None}})
    listings_.update_one({"_id": "l6"}, {"$unset": {"größe": 1}})
    owners.update_one({"_id": "o7"}, {"$set": {"@type": "Person\u200b"}})
    listings_.drop_index("address._geo.Lat (N)_1")
    numbers = {name: result.violations for name, result in broken(listed, database, *DATA).items()}
    assert numbers == {
        "references.listings.owner-id": 2,
        "documents.listings.address": 1,
        "documents.listings._class": 1,
        "documents.listings.price-night": 1,
        "documents.listings.größe": 1,
        "documents.owners.-type-characters": 1,
        "indexes.listings.address-_geo-lat--n-": 1,
    }


def test_documents_with_such_names_are_generated(listed: Project) -> None:
    made = dict(Plan(listed.model, listed.configuration, listed.settings).documents())
    assert all(conforms(listed.model[name], document) for name, rows in made.items() for document in rows)
    assert {len(rows) for rows in made.values()} == {100}


def test_declared_name_with_a_leading_underscore_is_a_finding_of_a_synced_collection(
    database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    database["users"].insert_many([{"_id": f"u{n}", "__v": 0, "deleted": False} for n in range(9)])
    project = drafted_project(database, tmp_path / "model", ("users",))
    found = broken(project, database, *DATA)
    assert {name: result.violations for name, result in found.items()} == {"crdt.users.names": 9}


def test_formulas_take_names_in_back_quotes(listed: Project, database: Database[dict[str, Any]]) -> None:
    """The cases include a referenced document, and a collection with the name that the pipeline would use."""
    model, configuration = listed.model, listed.configuration
    about = {"family": "business", "title": "t", "why": "w", "fix": "m"}
    file = configuration.rules.model_copy(
        update={
            "assertions": (
                Assertion(**about, collection="listings", subject="night", holds="`price/night` == `größe` + 0.5"),
                Assertion(**about, collection="listings", subject="north", holds="address._geo.`Lat (N)` <= 20"),
            ),
            "equations": (Equation(**about, field="listings.price/night", equals="`größe` + 0.5"),),
            "bounds": (Bound(**about, field="listings.größe", at_least="`Owner ID`.__v"),),
        }
    )
    configured = replace(configuration, rules=file)
    rules = [rule for rule in all_rules(model, configured) if rule.family == "business"]
    context = replace(context_for(model, database), configuration=configured)
    database["listings"].update_one({"_id": "l3"}, {"$set": {"price/night": 9.5}})
    database["owners"].update_one({"_id": "o1"}, {"$set": {"__v": 2}})
    with Run(rules, context) as run:
        numbers = {result.id: result.violations for result in run.results()}
    assert numbers == {
        "business.listings.night": 1,
        "business.listings.north": 4,
        "business.listings.price-night": 1,
        "business.listings.größe+owner-id": 1,
    }


def test_names_with_a_special_meaning_in_mongodb_are_rejected(tmp_path: Path) -> None:
    for number, name in enumerate(("a.b", "$a", "", "a\nb", "a[]", "*")):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ConfigurationError, match="MongoDB reads a dot as a path"):
            model_of(folder, {"things": collection_of({name: {"type": "string"}})})
        assert unfit_field(name) is not None


def test_archives_have_files_of_such_collections(tmp_path: Path) -> None:
    model = model_of(tmp_path, {"Order Details": collection_of({}), "fs.files": collection_of({})})
    document = RawBSONDocument(bson.encode({"_id": ObjectId()}))
    with new_archive(tmp_path / "archive", model, "shop", "json", compressed=False) as writer:
        for name in model.collections:
            writer.add(name, [document])
    assert (tmp_path / "archive" / "Order Details.jsonl").is_file()
    manifest = open_archive(tmp_path / "archive", model).manifest
    assert [entry.collection for entry in manifest.collections] == list(model.collections)


def test_name_reserved_by_ditto_is_a_finding_of_a_synced_collection(
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
def test_invalid_name_is_rejected(name: str) -> None:
    assert unfit_collection(name) is not None


@pytest.mark.parametrize("name", ["order-events", "fs.files", "Order Details", "_User", "_Join:a:_Role", "größe", "1"])
def test_valid_name_is_accepted(name: str) -> None:
    assert unfit_collection(name) is None


def test_longest_matching_collection_is_selected() -> None:
    assert split_place("fs.files.meta.size", ["fs", "fs.files"]) == ("fs.files", "meta.size")
    assert split_place("fs.filesystem", ["fs", "fs.files"]) == ("fs", "filesystem")
    assert split_place("no.such.field", ["fs"]) == ("no", "such.field")
