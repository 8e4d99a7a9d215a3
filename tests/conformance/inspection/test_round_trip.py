"""From a database without a model to a model and back: infer, validate, break something, validate again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bson import Decimal128, Int64, ObjectId
from pymongo.database import Database

from conformance.config.settings import Settings
from conformance.inspection.drafting.choices import YES, Question, conservative
from conformance.inspection.drafting.draft import draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import inspect
from conformance.model.paths import values_at
from conformance.model.validators.document_validator import breaches
from conformance.results import Result
from conformance.rules.data import references
from conformance.run.runner import Run
from conformance.run.session import Project, assemble
from generator.columns.plan import Plan
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for, run_rules

pytestmark = pytest.mark.server

Data = Database[dict[str, Any]]
#: Families that validate documents; the others validate settings, which a drafted model does not have.
FAMILIES = ("counts", "documents", "references", "uniqueness", "crdt")


def market(database: Data) -> None:
    """A marketplace: a tree of categories, shops with a nested key and city, products, orders with items inside."""
    oids = [ObjectId(f"{n:024x}") for n in range(1, 41)]
    database["cities"].insert_many({"_id": oid, "name": f"City {n}"} for n, oid in enumerate(oids[:6]))
    database["shops"].insert_many(
        {
            "_id": n,
            "address": {"city_id": oids[n % 6], "street": f"{n} Main St"},
            "account": {"number": f"DE{n:04}", "iban_key": f"K{n}", "limit": Decimal128("10.5")},
            "category_ids": [f"c{n % 20}", f"c{n % 7}"][: n % 3],
        }
        for n in range(12)
    )
    database["shops"].create_index([("account.number", 1)], unique=True)
    database["products"].insert_many({"_id": oid, "sku": f"p{n}", "deleted": False} for n, oid in enumerate(oids))
    database["orders"].insert_many(
        {
            "_id": f"o{n}",
            "placed": dt.datetime(2025, 1, 1 + n % 28),
            "items": [
                {
                    "product_id": oids[(n + k) % 40],
                    "qty": 1 + k,
                    "price": Decimal128("1.5"),
                    "options": {"gift": k == 1, "size": "SML"[k]} | ({"note": "x"} if k else {}),
                    "tags": ["new"],
                }
                for k in range(1 + n % 3)
            ],
            "scans": {f"{n}{k}": {"shop_id": (n + k) % 12, "at": dt.datetime(2025, 1, 1), "codes": [1, 2]}
                      for k in range(1, 4)},
            "ratings": {f"2025-01-{k:02}": k for k in range(1, 1 + n % 4)},
            "payload": b"\x00" if n % 2 else None,
            "serial": Int64(2**60 + n),
        }
        for n in range(60)
    )  # fmt: skip
    database["categories"].insert_many(
        {"_id": f"c{n}", "name": f"Category {n}", "parent_id": f"c{(n - 1) // 2}" if n else None} for n in range(20)
    )


@pytest.fixture
def drafted(database: Data, tmp_path: Path) -> Iterator[Callable[[], dict[str, Result]]]:
    """Return the findings of the drafted model's rules in the marketplace, by rule; initially none."""
    market(database)
    folder = tmp_path / "model"
    write_model(draft(database, inspect(database), ()), folder, database.name)
    project = assemble(folder, Settings(mongodb_database=database.name))

    def found() -> dict[str, Result]:
        return {one.id: one for one in results(project, database) if one.status in ("failed", "warned", "error")}

    assert found() == {}
    yield found


def results(project: Project, database: Data) -> list[Result]:
    rules = [rule for rule in project.rules if rule.family in FAMILIES]
    with Run(rules, context_for(project.model, database)) as run:
        return list(run.results())


def why(result: Result) -> list[str]:
    return [sample.why for sample in result.samples]


def test_broken_tree(database: Data, drafted: Callable[[], dict[str, Result]]) -> None:
    database["categories"].update_one({"_id": "c19"}, {"$set": {"parent_id": "gone"}})
    database["categories"].update_one({"_id": "c1"}, {"$set": {"parent_id": "c3"}})
    found = drafted()
    assert set(found) == {"references.categories.parent_id", "references.categories.parent_id-circle"}
    assert why(found["references.categories.parent_id"]) == [
        'parent_id is "gone"; no document of categories has this key'
    ]
    circle = found["references.categories.parent_id-circle"]
    assert (circle.violations, [sample.id for sample in circle.samples]) == (2, ["c1", "c3"])
    (named,) = [one for one in inspect(database).results if one.id == "references.categories.circle:parent_id"]
    assert (named.violations, named.examined) == (2, 20)


def test_broken_references_at_every_depth(database: Data, drafted: Callable[[], dict[str, Result]]) -> None:
    gone = ObjectId("f" * 24)
    database["shops"].update_one({"_id": 3}, {"$set": {"address.city_id": gone}})
    database["shops"].update_many({"_id": {"$in": [5, 8]}}, {"$push": {"category_ids": {"$each": ["c77", "c78"]}}})
    database["orders"].update_one({"_id": "o2"}, {"$set": {"items.2.product_id": gone}})
    database["orders"].update_one({"_id": "o7"}, {"$set": {"scans.72.shop_id": 99}})
    found = drafted()
    assert {name: (one.violations, why(one)) for name, one in found.items()} == {
        "references.shops.address-city_id": (
            1, [f'address.city_id is {gone} (objectId); no document of cities has this key']
        ),
        "references.shops.category_ids": (2, [
            'category_ids[2] is "c77", category_ids[3] is "c78"; no document of categories has this key',
            'category_ids[2] is "c77", category_ids[3] is "c78"; no document of categories has this key',
        ]),
        "references.orders.items-product_id": (
            1, [f'items[2].product_id is {gone} (objectId); no document of products has this key']
        ),
        "references.orders.scans-shop_id": (1, ["scans.72.shop_id is 99; no document of shops has this key"]),
    }  # fmt: skip


def test_nested_key_that_occurs_twice(database: Data, drafted: Callable[[], dict[str, Result]]) -> None:
    database["shops"].drop_index("account.number_1")
    database["shops"].update_one({"_id": 3}, {"$set": {"account.number": "DE0004"}})
    found = drafted()["uniqueness.shops.account-number"]
    assert (found.violations, [one.id for one in found.samples]) == (2, [3, 4])


def test_wrong_elements_and_values_of_maps(database: Data, drafted: Callable[[], dict[str, Result]]) -> None:
    orders = database["orders"]
    orders.update_one({"_id": "o2"}, {"$set": {"items.2.qty": "3"}})
    orders.update_many({"_id": {"$in": ["o4", "o5"]}}, {"$unset": {"items.0.options.gift": ""}})
    orders.update_one({"_id": "o3"}, {"$set": {"scans.31.codes.1": "x", "scans.odd": 5}})
    orders.update_one({"_id": "o7"}, {"$set": {"ratings.2025-01-01": 4.5, "payload": "text"}})
    orders.update_one({"_id": "o8"}, {"$set": {"serial": Decimal128("1"), "placed": "2025-01-01"}})
    assert {name: (one.violations, why(one)) for name, one in drafted().items()} == {
        "documents.orders.items": (3, [
            'items[2].qty "3" is not of type int or long', *["items[0].options.gift is missing"] * 2
        ]),
        "documents.orders.scans": (1, [
            "scans.31.codes[1] \"x\" is not of type int or long; scans.odd is not defined in the schema (extra: odd)"
        ]),
        "documents.orders.ratings": (1, ["ratings.2025-01-01 4.5 is not of type int or long"]),
        "documents.orders.payload": (1, ['payload "text" is not of type binData or null']),
        "documents.orders.serial": (1, ["serial 1 (decimal) is not of type int or long"]),
        "documents.orders.placed": (1, ['placed "2025-01-01" is not of type date']),
    }  # fmt: skip


def test_documents_generated_from_the_draft_match_it(database: Data, tmp_path: Path) -> None:
    """References included: a team can try the model on the embedded server before it validates its own."""
    market(database)
    folder = tmp_path / "model"
    write_model(draft(database, inspect(database), ()), folder, database.name)
    project = assemble(folder, Settings())
    made: dict[str, list[dict[str, Any]]] = {name: [] for name in project.model.collections}
    for name, batch in Plan(project.model, project.configuration, project.settings).documents():
        made[name] += batch
    assert all(breaches(project.model[name], one) == [] for name, batch in made.items() for one in batch)
    assert not any(one["deleted"] for one in made["products"])
    for reference in (one for collection in project.model for one in collection.references):
        keys = {one[reference.target_field] for one in made[reference.target]}
        used = [key for one in made[reference.collection] for _, key in values_at(one, reference.field)]
        assert len(set(used)) > 5
        assert {*used} - {None} <= keys


def test_reference_to_a_deleted_document_in_an_array(database: Data, drafted: Callable[[], dict[str, Result]]) -> None:
    first = database["products"].find_one({"sku": "p0"})
    assert first is not None
    database["products"].update_one({"_id": first["_id"]}, {"$set": {"deleted": True}})
    held = [one["_id"] for one in database["orders"].find({"items.product_id": first["_id"]}).sort("_id", 1)]
    found = drafted()["references.orders.items-product_id-deleted"]
    assert (found.status, found.examined, found.violations) == ("warned", 60, len(held))
    assert [sample.id for sample in found.samples] == held[:5]
    (named,) = [one for one in inspect(database).results if one.id.startswith("references.orders.deleted:items")]
    assert named.violations == len(held)
    assert named.samples[0].why == f"items[0].product_id is {first['_id']} (objectId), which is deleted in products"


@pytest.mark.parametrize("mode", ["native", "ejson"])
def test_type_on_devices_follows_the_mode(mode: str, database: Data, tmp_path: Path) -> None:
    """Dates, decimals, binary data, large integers and ObjectIds below the top: in native mode a finding each."""
    market(database)
    folder = tmp_path / "model"
    inspection = inspect(database)
    write_model(draft(database, inspection, ["orders", "shops"]), folder, database.name)
    config = folder / "config" / "ditto_connector_config.yaml"
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    for entry in content["collections"]:
        entry["mode"] = mode
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    project = assemble(folder, Settings(mongodb_database=database.name))
    found = {one.id: one for one in results(project, database) if one.status in ("failed", "warned")}
    expected = {"crdt.orders.arrays": 60, "crdt.orders.nulls": 30, "crdt.shops.arrays": 12,
                "crdt.orders.soft-delete": 1, "crdt.shops.soft-delete": 1}  # fmt: skip
    if mode == "native":
        expected |= {"crdt.orders.types": 60, "crdt.shops.types": 12}
    assert {name: one.violations for name, one in found.items()} == expected
    named = {one.id for one in inspection.results if one.status in ("failed", "warned")}
    places = ["placed", "items/[]/price", "items/[]/product_id", "scans/*/at", "payload", "serial"]
    assert [place for place in places if not any(place in one for one in named)] == []


def test_key_of_several_types_may_be_referred_to(database: Data, tmp_path: Path) -> None:
    """The stated exception: a field that is a string here and an integer there, and what refers to it."""
    types = {"x-bson": ["int", "long", "string"]}
    things = collection_of({"_id": types, "other": {**types, "x-reference": "things._id"}}, optional=["other"])
    model = model_of(tmp_path, {"things": things})
    database["things"].insert_many(
        [{"_id": 1}, {"_id": "1", "other": 1}, {"_id": "b", "other": Int64(1)}, {"_id": "c", "other": "2"}]
    )
    assert all(breaches(model["things"], one) == [] for one in database["things"].find())
    found = run_rules(references.rules(model, configuration_for(model)), context_for(model, database))
    outcome = found["references.things.other"]
    assert (outcome.examined, outcome.violations, [one.id for one in outcome.samples]) == (3, 1, ["c"])
    for _, documents in Plan(model, configuration_for(model), Settings()).documents():
        assert all(breaches(model["things"], one) == [] for one in documents)


def test_nested_field_that_looks_like_a_key_is_an_open_question(database: Data) -> None:
    """A unique index shows that account.number is unique; the other field may be unique by chance."""
    market(database)
    inspection, asked = inspect(database), list[str]()

    def yes(question: Question) -> str:
        asked.append(question.place)
        return YES if question.place == "shops.account.iban_key" else question.default

    for ask, expected in ((conservative, ["number"]), (yes, ["number", "iban_key"])):
        account = draft(database, inspection, (), ask).schemas["shops"]["properties"]["account"]["properties"]
        assert [name for name, schema in account.items() if "x-unique" in schema] == expected
    assert "shops.account.number" not in asked


def test_few_values_in_an_array_are_an_open_question(database: Data) -> None:
    market(database)
    drafted = draft(
        database,
        inspect(database),
        (),
        lambda each: YES if each.text.startswith("Is items[].options.size") else each.default,
    )
    options = drafted.schemas["orders"]["properties"]["items"]["items"]["properties"]["options"]["properties"]
    assert options["size"]["enum"] == ["L", "M", "S"]
