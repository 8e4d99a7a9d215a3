"""zava add-product: a product with its embedding and its stock, or nothing at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.errors import ConfigurationError
from conformance.model.validators.document_validator import breaches
from conformance.run.session import Project, load_project
from generator import addition
from generator.embeddings.embedder import local_embedder
from tests.commands import Done, Workplace, finish, state
from tests.conformance.embedded.processes import ROOT
from tests.models import shipped_model
from zava.data.product import compose

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
TOGETHER = ("products", "product_embeddings", "inventory")
DRILL: Mapping[str, Any] = {
    "sku": "PT-DR-0999",
    "product_name": "Pocket Drill",
    "type_id": "type_drills",
    "cost": 20,
    "product_description": "A small drill for one hand.",
}
STOCK = {"store_seattle": {"stock_level": 12, "location": {"aisle": "A3", "shelf": "S2"}, "reorder_threshold": 4}}


@pytest.fixture(scope="module")
def shop(workplace: Workplace, generated: Done, mongo: Mongo) -> str:
    """A generated database on a named server, for all tests: they do not read each other's products."""
    assert generated.code == 0
    for collection in MODEL:
        few = [{"$limit": 3}] if any(field.kind == "vector" for field in collection.fields) else []
        out = {"$out": {"db": "counter", "coll": collection.name}}
        mongo["zava"][collection.name].aggregate([{"$sort": {"_id": 1}}, *few, out])
    return "counter"


@pytest.fixture(autouse=True, scope="module")
def dropped(mongo: Mongo) -> Any:
    yield
    mongo.drop_database("counter")


def add(workplace: Workplace, uri: str, shop: str, *arguments: str) -> Done:
    return workplace.zava("add-product", *arguments, "--uri", uri, env={"MONGODB_DATABASE": shop})


def written(folder: Path, content: Any) -> str:
    path = folder / "product.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def test_product_is_added_with_embedding_and_stock(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str, tmp_path: Path
) -> None:
    before = state(mongo)[shop]
    content = {**DRILL, "specifications": {"voltage": 12, "cordless": True}, "inventory": STOCK}
    done = add(workplace, uri, shop, written(tmp_path, content), "--json", "--stock", "3", "--aisle", "B1")
    assert done.code == 0, done.err
    product = mongo[shop]["products"].find_one({"sku": "PT-DR-0999"}) or {}
    assert json.loads(done.out) == {
        "product": product,
        "counts": {"products": 1, "inventory": 8, "product_embeddings": 1},
    }
    assert product["product_id"] == product["_id"] == "prod_pt-dr-0999"
    assert product["category_id"] == "cat_power_tools"
    assert (product["cost"], product["base_price"], product["gross_margin_percent"]) == (20.0, 29.85, 33.0)
    assert product["specifications"] == {"voltage": 12, "cordless": True}
    assert "image_url" not in product  # nothing is made up
    vectors = mongo[shop]["product_embeddings"].find_one({"product_id": product["_id"]}) or {}
    text = "Pocket Drill. A small drill for one hand."
    assert vectors["description_embedding"] == local_embedder().embed([text], 1536)[0].tolist()
    assert vectors["provider"] == local_embedder().provider
    stock = {one["store_id"]: one for one in mongo[shop]["inventory"].find({"product_id": product["_id"]})}
    assert len(stock) == mongo[shop]["stores"].count_documents({}) == 8
    seattle, tacoma = stock["store_seattle"], stock["store_tacoma"]
    assert (seattle["stock_level"], seattle["location"], seattle["reorder_threshold"]) == (
        12,
        {"aisle": "A3", "shelf": "S2"},
        4,
    )
    assert (tacoma["stock_level"], tacoma["location"]) == (3, {"aisle": "B1", "shelf": "unplaced"})
    assert "reorder_threshold" not in tacoma
    for name in TOGETHER:
        for document in mongo[shop][name].find({"product_id": product["_id"]}):
            assert breaches(MODEL[name], document) == []
            assert document["deleted"] is False
    grown = {name: size - before[name] for name, size in state(mongo)[shop].items() if size != before[name]}
    assert grown == {"products": 1, "product_embeddings": 1, "inventory": 8}
    assert re.search(r"there are 401 products now; zava validate wants 400", done.err)


def test_options_and_file_add_the_same_product(workplace: Workplace, mongo: Mongo, uri: str, shop: str) -> None:
    options = [
        "--sku",
        "Free sku 1",
        "--name",
        "Saw",
        "--type",
        "type_saws",
        "--cost",
        "8.25",
        "--description",
        "Cuts.",
    ]
    done = add(workplace, uri, shop, *options)
    assert done.code == 0, done.err
    assert done.out == "prod_free sku 1: Saw at 12.31\n"
    assert mongo[shop]["products"].count_documents({"product_id": "prod_free sku 1", "type_id": "type_saws"}) == 1


#: The content of the file, and the expected message.
REFUSED: Mapping[str, tuple[Any, str]] = {
    "no object": ([], "it is not an object"),
    "an unknown field": ({**DRILL, "colour": "red"}, "at colour: is not defined in the schema"),
    "a name that is missing": ({k: v for k, v in DRILL.items() if k != "product_name"}, "product_name is missing"),
    "a sku that is missing": ({k: v for k, v in DRILL.items() if k != "sku"}, "sku is missing"),
    "a sku that is a number": ({**DRILL, "sku": 5}, "at sku: 5 is not of type"),
    "a cost of half cents": ({**DRILL, "sku": "A", "cost": 1.005}, "at cost: 1.005 is not a number of whole cents"),
    "a cost below nothing": ({**DRILL, "sku": "A", "cost": -1}, "at cost: -1 is below 0.01"),
    "a price that does not follow": ({**DRILL, "sku": "A", "base_price": 30.0}, "The base price is cost / 0.67"),
    "a margin of its own": ({**DRILL, "sku": "A", "gross_margin_percent": 40.0}, "The gross margin is 33.0 %"),
    "an id of its own": ({**DRILL, "sku": "A", "product_id": "prod_b"}, "The product id is prod_ followed by the SKU"),
    "a type there is not": ({**DRILL, "sku": "A", "type_id": "type_dril"}, "did you mean type_drills"),
    "another category": ({**DRILL, "sku": "A", "category_id": "cat_hardware"}, "is of cat_power_tools"),
    "an update before the creation": (
        {**DRILL, "sku": "A", "created_at": "2026-01-02T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"},
        "No product was updated before it was created",
    ),
    "a list in the specifications": ({**DRILL, "sku": "A", "specifications": {"sizes": [1]}}, "specifications.sizes"),
    "stock that is owed": (
        {**DRILL, "sku": "A", "inventory": {"store_seattle": {"stock_level": -1}}},
        "at inventory.store_seattle.stock_level: -1 is below 0",
    ),
    "stock without a place": ({**DRILL, "sku": "A", "inventory": {"store_seattle": {}}}, "location is missing"),
    "stock in no store": (
        {**DRILL, "sku": "A", "inventory": {"store_x": STOCK["store_seattle"]}},
        "no store 'store_x'",
    ),
    "stock that is a list": ({**DRILL, "sku": "A", "inventory": [1]}, "[1] is not an object by store"),
    "stock with a note that is a number": (
        {**DRILL, "sku": "A", "inventory": {"store_seattle": {**STOCK["store_seattle"], "notes": 5}}},
        "at inventory.store_seattle.notes: 5 is not",
    ),
}


ELSEWHERE = {"stock_level": 0, "location": {"aisle": "unplaced", "shelf": "unplaced"}}


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(ROOT)


@pytest.mark.parametrize("fault", REFUSED)
def test_invalid_product_is_one_error(project: Project, mongo: Mongo, shop: str, fault: str) -> None:
    content, message = REFUSED[fault]
    with pytest.raises(ConfigurationError) as refused:
        made = compose(project, mongo[shop], "product.json", content, ELSEWHERE)
        list(addition.check(project.model, project.rules, mongo[shop]["product_types"], made))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not valid JSON"), ("[]", "it is not an object"), (json.dumps({**DRILL, "cost": 1.005}), "whole cents")],
)
def test_rejected_product_is_not_written(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str, tmp_path: Path, content: str, message: str
) -> None:
    before = state(mongo)[shop]
    done = add(workplace, uri, shop, written(tmp_path, content))
    assert done.code == 2
    assert message in done.line
    assert state(mongo)[shop] == before


def test_existing_product_is_not_added_again(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str, tmp_path: Path
) -> None:
    """It is found by its id, and by a unique field with an index; documents written before it are removed."""
    content = {**DRILL, "sku": "PT-DR-0997"}
    assert add(workplace, uri, shop, written(tmp_path, content)).code == 0
    before = state(mongo)[shop]
    again = add(workplace, uri, shop, written(tmp_path, content))
    assert again.code == 2
    assert '_id "prod_pt-dr-0997" already; nothing was written' in again.line
    mongo[shop]["product_embeddings"].create_index("product_id", unique=True)
    mongo[shop]["product_embeddings"].insert_one({"_id": "other", "product_id": "prod_pt-dr-0996"})
    late = add(workplace, uri, shop, written(tmp_path, {**DRILL, "sku": "PT-DR-0996"}))
    assert (late.code, 'product_id "prod_pt-dr-0996" already' in late.line) == (2, True)
    mongo[shop]["product_embeddings"].delete_one({"_id": "other"})
    assert state(mongo)[shop] == before


def test_product_rejected_by_the_server_is_removed_again(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str, tmp_path: Path
) -> None:
    """A server with other validators than the schemas rejects the last document; the earlier ones are removed too."""
    before = state(mongo)[shop]
    mongo[shop].command("collMod", "inventory", validator={"never": 1})
    done = add(workplace, uri, shop, written(tmp_path, {**DRILL, "sku": "PT-DR-0995"}))
    mongo[shop].command("collMod", "inventory", validator={})
    assert done.code == 3
    assert "the validator refuses the document: never: is missing; nothing was written" in done.line
    assert state(mongo)[shop] == before


def test_concurrent_additions_add_one_product(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str, tmp_path: Path
) -> None:
    path = written(tmp_path, {**DRILL, "sku": "PT-DR-0994"})
    command = ("zava", "add-product", path, "--uri", uri)
    both = [finish(p) for p in [workplace.start(*command, env={"MONGODB_DATABASE": shop}) for _ in range(2)]]
    assert sorted(done.code for done in both) == [0, 2], both
    assert [mongo[shop][name].count_documents({"product_id": "prod_pt-dr-0994"}) for name in TOGETHER] == [1, 1, 8]


def test_empty_or_foreign_database_is_not_changed(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, tmp_path: Path
) -> None:
    path = written(tmp_path, DRILL)
    assert "the database has no product types" in add(workplace, uri, name, path).line
    mongo[name]["notes"].insert_one({})
    assert "somebody else's" in add(workplace, uri, name, path).line
    assert state(mongo)[name] == {"notes": 1}


@pytest.mark.parametrize("command", [["add-product", "--sku", "A"], ["import-source", "."]], ids=" ".join)
def test_other_model_is_rejected(workplace: Workplace, command: list[str]) -> None:
    done = workplace.zava("--model", str(ROOT / "examples" / "greenhouse"), *command)
    assert done.code == 2
    assert f"zava {command[0]} is for Zava's own model" in done.line


@pytest.mark.parametrize("arguments", [[], ["p.json", "--sku", "A"]], ids=" ".join)
def test_file_and_options_together_are_rejected(workplace: Workplace, arguments: list[str]) -> None:
    done = workplace.zava("add-product", *arguments)
    assert (done.code, "one of the two" in done.line) == (2, True)
