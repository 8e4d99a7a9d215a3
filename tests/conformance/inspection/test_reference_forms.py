"""References by binary UUIDs and in embedded objects: found, drafted, broken, and reported."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from bson import Binary, ObjectId
from pymongo.database import Database

from conformance.inspection.drafting.draft import draft
from conformance.inspection.findings.references import model_path
from conformance.inspection.inspection import inspect
from generator.columns.plan import Plan
from tests.conformance.inspection.test_foreign_names import broken, drafted_project

pytestmark = pytest.mark.server

Data = Database[dict[str, Any]]


def binary(number: int) -> Binary:
    return Binary.from_uuid(uuid.UUID(int=number * 2**64, version=4))


def found(database: Data) -> set[tuple[str, str, str]]:
    references = inspect(database).references
    return {(each.collection, model_path(each.path), f"{each.target}.{each.field}") for each in references}


def test_binary_uuid_without_a_target_is_reported(database: Data, tmp_path: Path) -> None:
    """Drivers store a UUID as binary, which is a key in MongoDB though not on devices."""
    ids = [binary(n) for n in range(1, 21)]
    database["devices"].insert_many({"_id": each, "deleted": False} for each in ids)
    database["readings"].insert_many(
        {"_id": n, "deviceId": ids[n % 20], "relays": [ids[n % 7]], "deleted": False} for n in range(60)
    )
    assert found(database) == {
        ("readings", "deviceId", "devices._id"),
        ("readings", "relays[]", "devices._id"),
    }
    project = drafted_project(database, tmp_path / "model")
    assert broken(project, database, "documents", "references") == {}
    database["readings"].update_one({"_id": 7}, {"$set": {"deviceId": binary(99)}})
    database["readings"].update_one({"_id": 8}, {"$push": {"relays": binary(98)}})
    results = broken(project, database, "documents", "references")
    assert {name: [sample.id for sample in one.samples] for name, one in results.items()} == {
        "references.readings.deviceid": [7],
        "references.readings.relays": [8],
    }
    inspected = [one for one in inspect(database).results if one.id == "references.readings.candidate:deviceId"]
    assert [(one.status, one.violations) for one in inspected] == [("warned", 1)]
    assert all(batch for _, batch in Plan(project.model, project.configuration, project.settings).documents())


def test_key_in_an_embedded_object_refers_by_the_name_of_the_object(database: Data, tmp_path: Path) -> None:
    """Objects that hold a key and copies of some fields: ``customer: {_id, name}``, ``visit: {type, id}``."""
    oids = [ObjectId(f"{n:024x}") for n in range(1, 31)]
    database["customers"].insert_many({"_id": each, "label": f"C {n}"} for n, each in enumerate(oids))
    database["categories"].insert_many(
        {"_id": f"c{n}", "ancestors": [{"_id": f"c{(n - 1) // 2}", "label": "x"}][: bool(n)]} for n in range(20)
    )
    database["visits"].insert_many({"_id": f"v{n}", "ward": n % 3} for n in range(30))
    database["orders"].insert_many(
        {
            "_id": n,
            "customer_id": oids[n % 30],
            "customer": {"_id": oids[n % 30], "label": f"C {n % 30}"},
            "visit": {"type": "Visit", "id": f"v{n % 30}"},
            "subject": {"type": "Visit", "id": f"v{n % 30}"},
            "visits": [{"id": k, "note": "x"} for k in range(3)],
        }
        for n in range(60)
    )
    assert found(database) == {
        ("categories", "ancestors[]._id", "categories._id"),
        ("orders", "customer_id", "customers._id"),
        ("orders", "customer._id", "customers._id"),
        ("orders", "visit.id", "visits._id"),
    }
    project = drafted_project(database, tmp_path / "model")
    assert broken(project, database, "documents", "references") == {}
    database["orders"].update_one({"_id": 7}, {"$set": {"visit.id": "gone", "customer._id": ObjectId("f" * 24)}})
    assert set(broken(project, database, "documents", "references")) == {
        "references.orders.visit-id",
        "references.orders.customer-_id",
    }


def test_fields_with_keys_of_one_collection_are_references_each(database: Data) -> None:
    """An order refers to two users, whatever the fields are called; a field with a user's token is a copy."""
    oids = [ObjectId(f"{n:024x}") for n in range(1, 31)]
    tokens = [str(uuid.UUID(int=n * 2**64, version=4)) for n in range(1, 31)]
    database["users"].insert_many({"_id": each, "token_id": token} for each, token in zip(oids, tokens, strict=True))
    database["orders"].insert_many(
        {"_id": n, "user": oids[n % 30], "approvedBy": oids[n * 7 % 30], "issued": tokens[n % 30]} for n in range(60)
    )
    assert found(database) == {("orders", "user", "users._id"), ("orders", "approvedBy", "users._id")}


def test_integer_id_of_an_element_is_not_a_reference(database: Data) -> None:
    """``lines[].id`` counts the lines of an order; it does not refer to the collection ``lines``."""
    database["lines"].insert_many({"_id": n, "text": "x"} for n in range(9))
    database["orders"].insert_many({"_id": f"o{n}", "lines": [{"id": k} for k in range(4)]} for n in range(20))
    assert found(database) == set()
    assert draft(database, inspect(database), ()).notes["orders"].questions == []


def test_documents_that_share_the_key_of_their_parent_are_generated(database: Data, tmp_path: Path) -> None:
    """Some users have a profile, whose _id and user_id are the key of the user: no two profiles share it."""
    database["users"].insert_many({"_id": n, "age": 20 + n % 9} for n in range(60))
    database["profiles"].insert_many({"_id": n, "user_id": n} for n in range(0, 60, 2))
    project = drafted_project(database, tmp_path / "model")
    assert project.model["profiles"].id_field == "user_id"
    assert [one.target for one in project.model["profiles"].references] == ["users"]
    made = dict(Plan(project.model, project.configuration, project.settings).documents())
    users = {one["_id"] for one in made["users"]}
    assert len({one["_id"] for one in made["profiles"]}) == len(made["profiles"]) == 100
    assert all(one["_id"] == one["user_id"] in users for one in made["profiles"])


def test_one_document_per_parent_of_two_collections_is_drafted(database: Data, tmp_path: Path) -> None:
    """A schema can say so of one parent; the other is an open question."""
    for name in ("drivers", "lorries", "tours"):
        database[name].insert_many({"_id": f"{name}{n}"} for n in range(20))
    database["tours"].update_many({}, [{"$set": {"driver_id": "$_id", "lorry_id": "$_id"}}])
    for name, field in (("drivers", "driver_id"), ("lorries", "lorry_id")):
        for n in range(20):
            database["tours"].update_one({"_id": f"tours{n}"}, {"$set": {field: f"{name}{n}"}})
    project = drafted_project(database, tmp_path / "model")
    assert broken(project, database, "documents", "references", "uniqueness", "counts") == {}
    tours = project.model["tours"]
    assert [(one.field, one.target) for one in tours.references] == [("driver_id", "drivers"), ("lorry_id", "lorries")]
    assert [list(tours.cardinality["per"]), tours.unique] == [["drivers"], (("driver_id",),)]


def test_reference_with_a_value_of_another_type_is_a_question_that_names_the_type(database: Data) -> None:
    ids = [binary(n) for n in range(1, 21)]
    database["devices"].insert_many({"_id": each} for each in ids)
    database["readings"].insert_many({"_id": n, "device": ids[n % 20] if n else str(ids[0])} for n in range(60))
    assert draft(database, inspect(database), ()).notes["readings"].questions == [
        "Does `device` refer to devices._id? 20 of 21 different values are there; it is not in the schema: it has"
        " values of type string, which no key there has."
    ]
