"""Drafted models: they load, their findings equal those of inspect, and precision and recall are high."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from bson import MinKey
from pymongo import MongoClient
from pymongo.database import Database

from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.inspection.drafting.draft import Draft, draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import Inspection, inspect
from conformance.inspection.names import reads_as_unique
from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from conformance.model.validators.document_validator import breaches
from conformance.results import Result
from conformance.run.runner import Run
from conformance.run.session import assemble
from generator.columns.plan import Plan
from tests.conformance.inspection.databases import ALL, fill
from tests.conformance.inspection.test_inspection import REFERENCES
from tests.faults.engine.place import Place
from tests.validation import context_for

pytestmark = pytest.mark.server

#: Fields that a person would declare unique, besides _id; those of the project's own model are declared there.
UNIQUE: dict[str, set[tuple[str, str]]] = {
    "films": {("users", "email"), ("theaters", "theaterId")},
    "bank": {("customers", "username"), ("customers", "email")},
    "restaurants": {("restaurants", "restaurant_id")},
    "kitchen": set(),
    "stores": {("stores", "code")},
}
#: References that no schema can say: into arrays, to a field with duplicates.
UNSAYABLE = {
    ("customers", "accounts[]", "accounts.account_id"),
    ("transactions", "account_id", "accounts.account_id"),
}


@pytest.fixture(scope="module", params=[*ALL, "own"])
def case(
    request: pytest.FixtureRequest,
    server: MongoClient[dict[str, Any]],
    place: Place,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Database[dict[str, Any]], Inspection, Draft, Path]]:
    name = request.param
    database = place.database("tiny") if name == "own" else server[f"drafted_{name}"]
    if name != "own":
        server.drop_database(database.name)
        fill(database, ALL[name]())
    inspection = inspect(database)
    drafted = draft(database, inspection, ())
    folder = tmp_path_factory.mktemp("drafted") / "model"
    write_model(drafted, folder, database.name)
    yield name, database, inspection, drafted, folder
    if name != "own":
        server.drop_database(database.name)


Case = tuple[str, Database[dict[str, Any]], Inspection, Draft, Path]


def validated(folder: Path, database: Database[dict[str, Any]]) -> list[Result]:
    """Return the results of all rules of the drafted model on its source database."""
    project = assemble(folder, Settings(mongodb_database=database.name))
    with Run(project.rules, context_for(project.model, database)) as run:
        return list(run.results())


def named(result: Result, inspection: Inspection, left_out: dict[str, str]) -> bool:
    """Return whether an inspection reports the finding of a rule."""
    found = {unquote(each.id) for each in inspection.results if each.status in ("failed", "warned")}
    if result.id == "counts._database.unknown-collections":
        return {sample.ref for sample in result.samples} <= set(left_out)
    if result.subject == "definition":  # INFERRED.md asks which is right
        return bool(inspection.collections[result.collection].validator)
    if result.id == "permissions._config.file":  # INFERRED.md asks for it
        return True
    family, collection, subject = result.family, result.collection, result.subject
    if subject.endswith("-characters"):
        return f"documents.{collection}.characters:{subject.removesuffix('-characters')}" in found
    if family == "references" and subject.endswith("-circle"):
        return f"references.{collection}.circle:{subject.removesuffix('-circle')}" in {each.lower() for each in found}
    if family == "references":
        aspect = "deleted" if subject.endswith("-deleted") else "candidate"
        place = f"references.{collection}.{aspect}:{subject.removesuffix('-deleted')}"
        return place.lower() in {each.lower() for each in found}
    if subject == "foreign-keys":
        return any(each.startswith(f"indexes.{collection}.reference:") for each in found)
    return result.id in found


def test_findings_of_validate_are_reported_by_inspect(case: Case) -> None:
    _, database, inspection, drafted, folder = case
    results = validated(folder, database)
    broken = [each for each in results if each.status in ("failed", "warned", "error")]
    assert [each.id for each in broken if not named(each, inspection, drafted.left_out)] == []
    assert sum(each.status == "passed" for each in results) > 3 * len(drafted.schemas)


def test_documents_match_their_drafted_schema(case: Case) -> None:
    _, database, _, _, folder = case
    for collection in load_model(folder):
        for document in database[collection.name].find():
            assert breaches(collection, document) == []


def test_drafted_references_have_the_required_precision_and_recall(
    case: Case, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, _, drafted, folder = case
    found = declared(load_model(folder))
    wanted = {each for each in declared(model) if name == "own"} or (REFERENCES.get(name, set()) - UNSAYABLE)
    unique = uniques_of(drafted)
    wanted_unique = uniques_of_model(model) if name == "own" else UNIQUE[name]
    flags = {each: schema.get("x-soft-delete") for each, schema in drafted.schemas.items()}
    wanted_flags = {"deleted"} if name == "own" else {None, "deleted", "isDeleted"}
    with capsys.disabled():
        print(f"\n{name}: references {rates(found, wanted)}; unique fields {rates(unique, wanted_unique)}")
    assert found == wanted
    assert wanted_unique <= unique
    assert all(reads_as_unique(field) for _, field in unique)
    assert set(flags.values()) <= wanted_flags
    assert name != "own" or set(flags) == set(model.collections)


def rates(found: set[Any], wanted: set[Any]) -> str:
    """Return precision and recall as text."""
    right = len(found & wanted)
    precision, recall = (f"{right / len(each):.2f}" if each else "1.00" for each in (found, wanted))
    return f"{right} of {len(wanted)}, precision {precision}, recall {recall}"


def declared(model: Model) -> set[tuple[str, str, str]]:
    return {(e.collection, e.field, f"{e.target}.{e.target_field}") for one in model for e in one.references}


def uniques_of(drafted: Draft) -> set[tuple[str, str]]:
    return {
        (name, field)
        for name, whole in drafted.schemas.items()
        for field, schema in whole["properties"].items()
        if "x-unique" in schema
    }


def uniques_of_model(model: Model) -> set[tuple[str, str]]:
    return {(one.name, group[0]) for one in model for group in one.unique if len(group) == 1}


def test_draft_of_a_synced_collection_has_a_mapping_and_a_subscription(
    database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    database["orders"].insert_many({"_id": f"o{n}", "order_id": f"o{n}", "deleted": False} for n in range(9))
    drafted = draft(database, inspect(database), ["orders"])
    write_model(drafted, tmp_path / "model", database.name)
    orders = load_model(tmp_path / "model")["orders"]
    assert orders.id_mapping is not None and orders.id_mapping.fields == ("order_id",)
    assert (orders.id_field, orders.soft_delete) == ("order_id", "deleted")
    results = validated(tmp_path / "model", database)
    assert {each.id for each in results if each.status == "failed" and each.family == "sync"} == set()


def test_undescribed_feature_is_listed_as_an_open_question(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    fill(database, ALL["restaurants"]())
    database["restaurants"].create_index([("address.coord", "2dsphere")])
    drafted = draft(database, inspect(database), ())
    schema = drafted.schemas["restaurants"]
    assert schema["properties"]["type of food"] == {"type": "string"}
    assert schema["properties"]["rating"] == {"x-bson": ["double", "int", "long", "string"]}
    assert {"keys": {"address.coord": "2dsphere"}} in schema["x-indexes"]
    dotted = {"$setField": {"field": "a.b", "input": "$$ROOT", "value": 1}}
    database["restaurants"].update_one({}, [{"$replaceWith": dotted}])
    drafted = draft(database, inspect(database), ())
    (question,) = drafted.notes["restaurants"].questions
    assert "its name has a dot, which MongoDB reads as a path" in question
    assert drafted.schemas["restaurants"]["additionalProperties"] is True
    write_model(drafted, tmp_path / "model", database.name)
    assert question in (tmp_path / "model" / "INFERRED.md").read_text(encoding="utf-8")


def test_object_that_is_sometimes_a_string_is_an_open_question_with_the_fix(database: Database[dict[str, Any]]) -> None:
    insurances: list[Any] = [None, "none", *({"number": n} for n in range(8))]
    database["patients"].insert_many({"_id": n, "insurance": one} for n, one in enumerate(insurances))
    drafted = draft(database, inspect(database), ())
    assert drafted.schemas["patients"]["properties"]["insurance"] == {"x-bson": ["null", "object", "string"]}
    assert drafted.notes["patients"].questions == [
        "What is below `insurance` is not checked, because it has values of several types (object 8, null 1, string 1)."
        " Write values of one type only (without the field instead of null), and draft the model again."
    ]


def test_ids_of_every_type_are_drafted(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    ids: dict[str, list[Any]] = {
        "composite": [{"store": f"s{n}", "n": n} for n in range(6)],
        "nested": [{"of": {"n": n}} for n in range(6)],
        "mixed": [n if n % 2 else str(n) for n in range(6)],
        "times": [f"2024-01-0{n + 1}T00:00:00Z" for n in range(6)],
        "doubles": [n + 0.5 for n in range(6)],
    }
    for name, listed in ids.items():
        database[name].insert_many({"_id": one} for one in listed)
    drafted = draft(database, inspect(database), list(ids))
    write_model(drafted, tmp_path / "model", database.name)
    model = load_model(tmp_path / "model")
    kinds = {one.name: (one.field("_id").kind, one.synced) for one in model}
    assert kinds == {
        "composite": ("map", True),
        "nested": ("bson", False),
        "mixed": ("bson", False),
        "times": ("string", True),
        "doubles": ("bson", False),
    }
    for one in model:
        assert all(breaches(one, document) == [] for document in database[one.name].find())


def test_collection_with_an_id_that_no_schema_can_describe_is_left_out(
    database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    database["things"].insert_many([{"_id": 1}, {"_id": "b"}, {"_id": MinKey()}])
    database["others"].insert_one({"_id": 1})
    drafted = draft(database, inspect(database), ["things"])
    assert drafted.left_out == {"things": "no schema can describe its _id: it has values of type minKey"}
    write_model(drafted, tmp_path / "model", database.name)
    assert set(load_model(tmp_path / "model").collections) == {"others"}


def test_folder_with_a_model_is_not_changed(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    database["things"].insert_one({"_id": 1, "name": "a"})
    drafted = draft(database, inspect(database), ())
    (tmp_path / "schemas").mkdir()
    with pytest.raises(ConfigurationError, match="has a model already"):
        write_model(drafted, tmp_path, database.name)
    assert list((tmp_path / "schemas").iterdir()) == []


def test_schemas_are_valid_json_with_one_file_per_collection(case: Case) -> None:
    *_, drafted, folder = case
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (folder / "schemas").iterdir()}
    assert files == drafted.schemas


def test_documents_generated_from_the_draft_match_it(case: Case) -> None:
    """A team can try the model on the embedded server before it validates its own."""
    *_, folder = case
    project = assemble(folder, Settings())
    made = dict.fromkeys(project.model.collections, 0)
    for name, documents in Plan(project.model, project.configuration, project.settings).documents():
        made[name] += len(documents)
        assert all(breaches(project.model[name], document) == [] for document in documents)
    assert set(made.values()) == {100}
