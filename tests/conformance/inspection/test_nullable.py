"""A database in which objects, arrays and maps are null at times: inferred, broken below them, validated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bson import ObjectId

from conformance.config.settings import Settings
from conformance.inspection.drafting.choices import YES
from conformance.inspection.drafting.draft import Draft, draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import inspect
from conformance.model.paths import values_at
from conformance.model.validators.document_validator import breaches
from conformance.results import Result
from conformance.run.session import assemble
from conformance.server import provision
from generator.columns.plan import Plan
from generator.loader import load
from tests.conformance.inspection.test_round_trip import Data, market, results, why

pytestmark = pytest.mark.server

GONE = ObjectId("f" * 24)


def nulls(database: Data) -> None:
    """Put null in the place of objects, arrays and maps of the marketplace, in some documents each."""
    shops, orders = database["shops"], database["orders"]
    shops.update_many({"_id": {"$in": [1, 5]}}, {"$set": {"address": None}})
    shops.update_one({"_id": 2}, {"$set": {"account": None}})  # a unique index takes one null
    shops.update_many({"_id": {"$gt": 9}}, {"$set": {"category_ids": None}})
    orders.update_many({"_id": {"$in": ["o1", "o4"]}}, {"$set": {"items.1": None}})
    orders.update_many({"_id": {"$in": ["o2", "o5"]}}, {"$set": {"items.2.options": None, "items.0.tags": None}})
    orders.update_many({"_id": {"$in": ["o6", "o9"]}}, {"$set": {"items": None, "ratings": None}})
    orders.update_one({"_id": "o7"}, {"$set": {"scans.71": None}})
    orders.update_one({"_id": "o8"}, {"$set": {"scans": None}})


@pytest.fixture
def drafted(database: Data) -> Draft:
    market(database)
    nulls(database)
    return draft(database, inspect(database), ())


@pytest.fixture
def found(database: Data, drafted: Draft, tmp_path: Path) -> Callable[[], dict[str, Result]]:
    write_model(drafted, tmp_path / "model", database.name)
    project = assemble(tmp_path / "model", Settings(mongodb_database=database.name))
    return lambda: {one.id: one for one in results(project, database) if one.status in ("failed", "warned", "error")}


def test_what_is_below_is_drafted_as_without_null(database: Data, drafted: Draft) -> None:
    shops, orders = (drafted.schemas[name]["properties"] for name in ("shops", "orders"))
    assert shops["address"]["type"] == shops["account"]["type"] == ["object", "null"]
    assert shops["address"]["required"] == ["city_id", "street"]
    assert shops["account"]["properties"]["number"] == {"type": "string", "x-unique": True}
    assert shops["category_ids"] == {
        "type": ["array", "null"],
        "items": {"type": "string", "x-reference": "categories._id"},
    }
    line = orders["items"]["items"]
    assert (orders["items"]["type"], line["type"]) == (["array", "null"], ["object", "null"])
    assert line["required"] == ["product_id", "qty", "price", "options", "tags"]
    assert line["properties"]["options"]["type"] == ["object", "null"]
    assert line["properties"]["options"]["required"] == ["gift", "size"]
    assert line["properties"]["tags"] == {"type": ["array", "null"], "items": {"type": "string"}}
    (scan,) = orders["scans"]["patternProperties"].values()
    assert (orders["scans"]["type"], scan["type"]) == (["object", "null"], ["object", "null"])
    assert scan["properties"]["shop_id"] == {"type": "integer", "x-reference": "shops._id"}
    assert orders["ratings"]["type"] == ["object", "null"]
    questions = [question for notes in drafted.notes.values() for question in notes.questions]
    assert not [question for question in questions if "not checked" in question]
    assert {
        shops["address"]["properties"]["city_id"]["x-reference"],
        line["properties"]["product_id"]["x-reference"],
    } == {
        "cities._id",
        "products._id",
    }


def test_fault_below_is_found(database: Data, found: Callable[[], dict[str, Result]]) -> None:
    assert found() == {}
    shops, orders = database["shops"], database["orders"]
    shops.update_one({"_id": 3}, {"$set": {"address.city_id": GONE}})
    shops.update_one({"_id": 4}, {"$unset": {"address.street": ""}})
    shops.update_one({"_id": 6}, {"$set": {"address": "nowhere"}})
    shops.update_one({"_id": 8}, {"$set": {"category_ids.0": "c99"}})
    shops.drop_index("account.number_1")
    shops.update_one({"_id": 7}, {"$set": {"account.number": "DE0009"}})
    orders.update_one({"_id": "o2"}, {"$set": {"items.1.product_id": GONE, "items.0.options.size": 1}})
    orders.update_one({"_id": "o7"}, {"$set": {"scans.72.shop_id": 99}})
    orders.update_one({"_id": "o10"}, {"$set": {"ratings.2025-01-01": "five"}})
    assert {name: (one.violations, why(one)) for name, one in found().items()} == {
        "references.shops.address-city_id": (
            1, [f"address.city_id is {GONE} (objectId); no document of cities has this key"]
        ),
        "references.shops.category_ids": (1, ['category_ids[0] is "c99"; no document of categories has this key']),
        "documents.shops.address": (
            2, ["address.street is missing", 'address "nowhere" is not of type object or null']
        ),
        "uniqueness.shops.account-number": (2, ['another document has the same account.number "DE0009"'] * 2),
        "references.orders.items-product_id": (
            1, [f"items[1].product_id is {GONE} (objectId); no document of products has this key"]
        ),
        "documents.orders.items": (1, ["items[0].options.size 1 is not of type string"]),
        "references.orders.scans-shop_id": (1, ["scans.72.shop_id is 99; no document of shops has this key"]),
        "documents.orders.ratings": (1, ['ratings.2025-01-01 "five" is not of type int or long']),
    }  # fmt: skip


def test_documents_generated_from_the_draft_have_no_finding(database: Data, drafted: Draft, tmp_path: Path) -> None:
    write_model(drafted, tmp_path / "model", database.name)
    project = assemble(tmp_path / "model", Settings(mongodb_database=database.name))
    database.client.drop_database(database.name)
    provision.apply(provision.plan(project.model, database), database)
    load(Plan(project.model, project.configuration, project.settings).documents(), database, 100)
    assert [one.id for one in results(project, database) if one.status not in ("passed", "skipped")] == []
    shops = [*database["shops"].find()]
    assert {type(one["account"]) for one in shops} == {dict}  # its unique index takes one null
    assert {type(one["address"]) for one in shops} == {dict, type(None)}
    for name in ("shops", "orders"):
        assert all(breaches(project.model[name], one) == [] for one in database[name].find())
    lines = [value for one in database["orders"].find() for _, value in values_at(one, "items[]")]
    assert {type(one) for one in lines} == {dict, type(None)}


def test_few_values_below_are_an_open_question(database: Data) -> None:
    market(database)
    nulls(database)
    answered = draft(
        database,
        inspect(database),
        (),
        lambda each: YES if each.text.startswith("Is items[].options.size") else each.default,
    )
    options = answered.schemas["orders"]["properties"]["items"]["items"]["properties"]["options"]
    assert options["properties"]["size"] == {"type": "string", "enum": ["L", "M", "S"]}


def test_inspection_names_what_is_below(database: Data) -> None:
    market(database)
    nulls(database)
    database["shops"].update_one({"_id": 3}, {"$set": {"address.city_id": GONE}})
    inspection = inspect(database)
    found = {one.id: one for one in inspection.results if one.status in ("failed", "warned")}
    assert found["references.shops.candidate:address/city_id"].violations == 1
    assert not [name for name in found if ".mixed" in name]
    drafted = draft(database, inspection, ())
    assert drafted.schemas["shops"]["properties"]["address"]["properties"]["city_id"]["x-reference"] == "cities._id"


def test_id_that_is_null_in_one_document_is_not_described_below(database: Data, tmp_path: Path) -> None:
    database["things"].insert_many([{"_id": None}, *({"_id": {"a": n}} for n in range(4))])
    database["others"].insert_many({"_id": {"a": n}} for n in range(4))
    drafted = draft(database, inspect(database), ())
    assert drafted.schemas["things"]["properties"]["_id"] == {"x-bson": ["null", "object"]}
    assert drafted.schemas["others"]["properties"]["_id"]["type"] == "object"
    (question,) = [one for one in drafted.notes["things"].questions if "not checked" in one]
    assert "several types (object 4, null 1)" in question
    write_model(drafted, tmp_path / "model", database.name)


def test_empty_arrays_and_null_are_a_question_without_a_fix(database: Data) -> None:
    """Nothing shows what the elements are."""
    database["things"].insert_many({"_id": n, "tags": [] if n else None, "map": {} if n else None} for n in range(4))
    drafted = draft(database, inspect(database), ())
    assert drafted.schemas["things"]["properties"]["tags"] == {"x-bson": ["array", "null"]}
    assert drafted.schemas["things"]["properties"]["map"] == {"x-bson": ["null", "object"]}
    assert "What is below `tags` is not checked." in drafted.notes["things"].questions
