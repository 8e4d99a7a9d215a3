"""References by binary UUIDs and in embedded objects: found, drafted, broken, and reported."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from bson import Binary, DBRef, ObjectId
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


def test_random_keys_refer_by_value_although_some_are_missing(database: Data, tmp_path: Path) -> None:
    """``author`` says nothing of ``users``, but 39 of 40 random keys are not there by chance."""
    oids = [ObjectId(f"{n:024x}") for n in range(1, 41)]
    database["users"].insert_many({"_id": each, "age": 30 + n % 9} for n, each in enumerate(oids))
    database["posts"].insert_many({"_id": n, "author": oids[n % 40], "likers": oids[n % 5 : n % 9]} for n in range(80))
    database["posts"].update_many({"author": oids[7]}, {"$set": {"author": ObjectId("f" * 24)}})
    assert found(database) == {("posts", "author", "users._id"), ("posts", "likers[]", "users._id")}
    inspected = {one.id: one for one in inspect(database).results if one.id.startswith("references.posts.candidate")}
    author = inspected["references.posts.candidate:author"]
    assert [author.status, author.violations] == ["warned", 2]
    assert author.headline == "posts: author seems to refer to users._id: 1 of 40 values are not there"
    assert inspected["references.posts.candidate:likers/[]"].status == "passed"
    project = drafted_project(database, tmp_path / "model")
    results = broken(project, database, "documents", "references")
    assert {name: one.violations for name, one in results.items()} == {"references.posts.author": 2}


def test_keys_that_are_no_identity_are_referred_to_by_all_values_or_not_at_all(database: Data) -> None:
    """The users are in another database: an order and a cart with one user's key do not refer to each other."""
    oids = [ObjectId(f"{n:024x}") for n in range(1, 41)]
    database["carts"].insert_many({"_id": f"c{n}", "user_id": each} for n, each in enumerate(oids[:30]))
    database["orders"].insert_many({"_id": f"o{n}", "buyer": oids[n % 40]} for n in range(80))
    assert found(database) == set()


def several(database: Data) -> list[ObjectId]:
    """Comments on posts and products, as mongoose's refPath has them, and orders of which the old ones moved."""
    oids = [ObjectId(f"{n:024x}") for n in range(1, 61)]
    kinds = {"posts": oids[:20], "products": oids[20:40], "videos": oids[40:60]}
    for name, keys in kinds.items():
        database[name].insert_many({"_id": each, "title": f"T {n}"} for n, each in enumerate(keys))
    database["comments"].insert_many({"_id": n, "on": oids[n % 60], "tagged": oids[n : n + 2]} for n in range(59))
    return oids


def test_key_of_one_of_several_collections_is_reported(database: Data, tmp_path: Path) -> None:
    oids = several(database)
    places = "posts._id or products._id or videos._id"
    candidates = inspect(database).references
    assert {(model_path(each.path), each.places) for each in candidates} == {("on", places), ("tagged[]", places)}
    assert {each.dangling for each in candidates} == {0}
    database["comments"].update_one({"_id": 3}, {"$set": {"on": ObjectId("f" * 24)}})
    database["comments"].update_one({"_id": 4}, {"$push": {"tagged": ObjectId("e" * 24)}})
    database["comments"].update_one({"_id": 5}, {"$set": {"on": None}})
    inspected = {one.id: one for one in inspect(database).results if one.status == "warned"}
    on = inspected["references.comments.candidate:on"]
    assert [on.violations, on.headline] == [
        1, f"comments: on seems to refer to {places}: 1 of 58 values are not there",
    ]  # fmt: skip
    assert inspected["references.comments.candidate:tagged/[]"].violations == 1
    project = drafted_project(database, tmp_path / "model")
    results = broken(project, database, "documents", "references")
    assert {name: [sample.id for sample in one.samples] for name, one in results.items()} == {
        "references.comments.on": [3],
        "references.comments.tagged": [4],
    }
    assert results["references.comments.on"].samples[0].why == (
        "on is ffffffffffffffffffffffff (objectId); no document of posts or products or videos has this key"
    )
    assert results["references.comments.tagged"].examined == 59
    database["comments"].update_many({"_id": {"$in": [3, 4]}}, {"$set": {"on": oids[0], "tagged": []}})
    assert broken(project, database, "documents", "references") == {}
    made = dict(Plan(project.model, project.configuration, project.settings).documents())
    keys = {one["_id"] for name in ("posts", "products", "videos") for one in made[name]}
    assert {one["on"] for one in made["comments"]} <= keys
    assert {key for one in made["comments"] for key in one["tagged"]} <= keys


def test_keys_in_a_collection_and_its_archive_are_no_finding(database: Data) -> None:
    oids = [ObjectId(f"{n:024x}") for n in range(1, 41)]
    database["customers"].insert_many({"_id": each} for each in oids[:25])
    database["customers_archive"].insert_many({"_id": each} for each in oids[25:])
    database["orders"].insert_many({"_id": n, "customer": oids[n % 40]} for n in range(80))
    assert [each.places for each in inspect(database).references] == ["customers._id or customers_archive._id"]
    assert [one.id for one in inspect(database).results if one.violations and one.id.startswith("references")] == []


def test_deleted_document_of_any_collection_is_reported(database: Data) -> None:
    oids = several(database)
    database["products"].update_many({}, {"$set": {"deleted": False}})
    database["products"].update_one({"_id": oids[21]}, {"$set": {"deleted": True}})
    results = {one.id: one for one in inspect(database).results if ".deleted:" in one.id}
    assert {name: one.violations for name, one in results.items()} == {
        "references.comments.deleted:on": 1,
        "references.comments.deleted:tagged/[]": 2,
    }


def test_dbref_without_a_target_is_reported(database: Data) -> None:
    """A DBRef names the collection itself, and perhaps a database: one to another is not looked at."""
    oids = [ObjectId(f"{n:024x}") for n in range(1, 21)]
    database["customers"].insert_many({"_id": each} for each in oids)
    database["shops"].insert_one({"_id": "s1"})
    database["orders"].insert_many(
        {"_id": n, "customer": DBRef("customers", oids[n % 20]), "seen": [DBRef("shops", "s1"), "nowhere"]}
        for n in range(40)
    )
    results = {one.id: one for one in inspect(database).results if ".dbref:" in one.id}
    assert {name: one.status for name, one in results.items()} == {
        "references.orders.dbref:customer": "passed",
        "references.orders.dbref:seen/[]": "passed",
    }
    database["orders"].update_one({"_id": 7}, {"$set": {"customer": DBRef("customers", "gone")}})
    database["orders"].update_one({"_id": 8}, {"$set": {"customer": DBRef("clients", oids[0])}})
    database["orders"].update_one({"_id": 9}, {"$set": {"customer": DBRef("clients", oids[0], "crm")}})
    database["orders"].update_one({"_id": 9}, {"$push": {"seen": DBRef("shops", "s2")}})
    results = {one.id: one for one in inspect(database).results if ".dbref:" in one.id}
    customer = results["references.orders.dbref:customer"]
    assert [customer.examined, customer.violations, [sample.why for sample in customer.samples]] == [
        40, 2, [f"{oids[0]} (objectId) is in no clients._id", '"gone" is in no customers._id'],
    ]  # fmt: skip
    assert results["references.orders.dbref:seen/[]"].violations == 1
