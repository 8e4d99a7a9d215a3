"""zava import-source: the conversion of the original files, its notices, and the dataset around them."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.model.validators.document_validator import breaches
from tests.commands import Done, Workplace, state
from tests.generator.original import SEASONS, Original, original, products_of
from tests.models import shipped_model

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
NAMES = ["categories", "product_embeddings", "product_types", "products", "stores"]
UNPLACED = "image_path is omitted"
UNKNOWN = "the model of the vectors is not known"


@pytest.fixture(scope="module")
def made() -> Original:
    """Write a source of few products of all nine categories."""
    return original(products=20)


def imported(workplace: Workplace, folder: Path, out: Path, *flags: str) -> Done:
    return workplace.zava("import-source", str(folder), "--out", str(out), *flags)


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the documents of a JSON export."""
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def plain(value: Any) -> Any:
    """Return Extended JSON's numbers as numbers."""
    if not isinstance(value, dict):
        return value
    ((kind, number),) = value.items()
    return {"$numberDouble": float, "$numberInt": int}[kind](number)


# Conversion of the original files


@pytest.fixture(scope="module")
def written(workplace: Workplace, made: Original, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the source as files."""
    folder = tmp_path_factory.mktemp("source")
    done = imported(workplace, made.write(folder / "original"), folder / "out", "--images-at", "https://x.test/p/")
    assert done.code == 0, done.err
    assert done.err.splitlines() == [line for line in done.err.splitlines() if line.startswith(UNKNOWN)]
    return folder / "out"


def test_every_product_is_imported_with_its_price(written: Path, made: Original) -> None:
    documents = {document["sku"]: document for document in read(written, "products")}
    assert len(documents) == len(list(products_of(made))) == 20
    for product in products_of(made):
        document = documents[product["sku"]]
        price = (Decimal(str(product["price"])) / Decimal("0.67")).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert document["_id"] == document["product_id"] == f"prod_{product['sku'].lower()}"
        assert document["product_name"] == product["name"]
        assert document["product_description"] == product["description"]
        assert plain(document["cost"]) == product["price"]
        assert Decimal(str(plain(document["base_price"]))) == price
        assert plain(document["gross_margin_percent"]) == 33.0
        assert document["image_url"] == f"https://x.test/p/images/{product['sku'].lower()}%201.png"
        assert "specifications" not in document  # nothing is made up


def test_vectors_are_imported_unchanged_into_their_collection(written: Path, made: Original) -> None:
    documents = {document["product_id"]: document for document in read(written, "product_embeddings")}
    for product in products_of(made):
        document = documents[f"prod_{product['sku'].lower()}"]
        for name in ("image_embedding", "description_embedding"):
            assert [plain(number) for number in document[name]] == product[name]
        assert "provider" not in document  # the file does not say
    assert not any("embedding" in key for document in read(written, "products") for key in document)


def test_months_become_a_map_and_names_become_ids(written: Path, made: Original) -> None:
    categories = {document["_id"]: document for document in read(written, "categories")}
    months = [month.name for month in MODEL["categories"].field("seasonal_multipliers").children]
    for name, body in made.products["main_categories"].items():
        document = categories[f"cat_{name.lower().replace(' & ', '_').replace(' ', '_')}"]
        assert document["category_name"] == name.title()
        assert list(document["seasonal_multipliers"]) == months
        assert [plain(value) for value in document["seasonal_multipliers"].values()] == body[SEASONS]
    types = {document["type_id"]: document for document in read(written, "product_types")}
    assert types["type_power_saws"]["category_id"] == "cat_power_tools"
    by_sku = {document["sku"]: document for document in read(written, "products")}
    assert {types[document["type_id"]]["category_id"] for document in by_sku.values()} == set(categories)


def test_stores_equal_the_catalogue_with_users_of_the_source(written: Path, made: Original) -> None:
    stores = {document["store_name"]: document for document in read(written, "stores")}
    assert stores.keys() == made.reference["stores"].keys()
    for name, entry in made.reference["stores"].items():
        assert stores[name]["rls_user_id"] == entry["rls_user_id"]
        assert stores[name]["is_online"] is (name == "Zava Retail Online")
    assert stores["Zava Retail Seattle"]["location"]["address"] == "1518 4th Ave"


def test_written_files_are_importable(workplace: Workplace, mongo: Mongo, uri: str, name: str, written: Path) -> None:
    done = workplace.zava("import", str(written), "--uri", uri, env={"MONGODB_DATABASE": name})
    assert done.code == 0, done.err
    held = {collection: size for collection, size in state(mongo)[name].items() if size}
    assert held == {collection: len(read(written, collection)) for collection in NAMES}
    for collection in MODEL:
        for document in mongo[name][collection.name].find():
            assert breaches(collection, document) == []


# Notices


def test_unknown_store_of_the_source_is_imported_and_reported(workplace: Workplace, tmp_path: Path) -> None:
    source = original(products=2)
    source.reference["stores"]["Zava Retail Yakima"] = {
        **source.reference["stores"]["Zava Retail Seattle"],
        "rls_user_id": "0e6f4a0c-52f5-4bd5-9be5-4c9c9a1f2d11",
        "customer_distribution_weight": 2,
    }
    source.reference["surplus"] = 1
    next(products_of(source))["colour"] = "red"
    done = imported(workplace, source.write(tmp_path / "original"), tmp_path / "out")
    assert done.code == 0, done.err
    lines = done.err.splitlines()
    assert lines[0] == "Zava Retail Yakima is not in config/catalogue.yaml: its address is a placeholder"
    assert lines[1].startswith(UNPLACED)
    assert lines[2] == ("not read, for the model has no place for it: main_categories.*.*[].colour, surplus")
    assert lines[3].startswith(UNKNOWN)
    assert "other parameters" in lines[4]
    figures = dict(line.strip().split(": ", 1) for line in lines[5:])
    assert figures.keys() == {"store_customer_weight", "store_order_frequency", "store_order_value"}
    assert json.loads(figures["store_customer_weight"])["store_yakima"] == 2
    stores = {document["_id"]: document for document in read(tmp_path / "out", "stores")}
    assert stores["store_yakima"]["location"] == {"address": "unknown", "city": "Yakima", "state": "WA", "zip": "00000"}
    assert all("image_url" not in document for document in read(tmp_path / "out", "products"))


def test_types_of_the_same_name_are_distinguished(workplace: Workplace, tmp_path: Path) -> None:
    source = original(products=40)
    categories = source.products["main_categories"]
    for name in ("PAINT & FINISHES", "PLUMBING"):
        kinds = categories[name]
        kinds["ACCESSORIES"] = kinds.pop(next(kind for kind in kinds if kind != SEASONS))
    assert imported(workplace, source.write(tmp_path / "original"), tmp_path / "out").code == 0
    types = {document["type_id"]: document["category_id"] for document in read(tmp_path / "out", "product_types")}
    assert types["type_accessories"] == "cat_paint_finishes"
    assert types["type_plumbing_accessories"] == "cat_plumbing"


# Into the target, and on from there


def test_dataset_generated_around_the_source_is_conformant(workplace: Workplace, mongo: Mongo, tmp_path: Path) -> None:
    """The source has 8 stores, 9 categories and 400 products; the generator makes the other documents."""
    source = original()
    folder = source.write(tmp_path / "original")
    env = {"MONGODB_DATABASE": "source"}
    assert workplace.zava("import-source", str(folder), "--embedded", env=env).code == 0
    brought = {name: list(mongo["source"][name].find()) for name in NAMES}
    generated = workplace.zava("generate", "--embedded", env=env)
    assert generated.code == 0, generated.err
    assert (
        f"continuing from the existing catalogue ({', '.join(name for name in MODEL.collections if name in NAMES)})"
        in generated.err
    )
    assert {name: list(mongo["source"][name].find()) for name in NAMES} == brought
    assert mongo["source"]["orders"].count_documents({}) == 200
    assert workplace.zava("provision", "--embedded", "--check", env=env).code == 0
    validated = workplace.zava("validate", "--embedded", "--format", "json", env=env)
    report = json.loads(validated.out)
    assert [rule["id"] for rule in report["rules"] if rule["status"] not in ("passed", "skipped")] == []
    assert validated.code == 0
    sold = mongo["source"]["order_items"].distinct("sku")
    assert set(sold) < {product["sku"] for product in products_of(source)}
    again = workplace.zava("generate", "--embedded", env=env)
    assert (again.code, "pass --drop" in again.line) == (2, True)
    mongo.drop_database("source")


def test_source_with_other_counts_gives_findings(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, tmp_path: Path
) -> None:
    folder = original(products=30, categories=4).write(tmp_path / "original")
    env = {"MONGODB_DATABASE": name}
    for command in (["import-source", str(folder)], ["generate", "--yes"]):
        done = workplace.zava(*command, "--uri", uri, env=env)
        assert done.code == 0, done.err
    validated = workplace.zava("validate", "--uri", uri, "--format", "json", env=env)
    found = {
        rule["id"]: rule["violations"] for rule in json.loads(validated.out)["rules"] if rule["status"] == "failed"
    }
    types = mongo[name]["product_types"].count_documents({})
    wanted = {"counts.categories.documents": 5, "counts.products.documents": 370}
    assert found == wanted | ({"counts.product_types.documents": 20 - types} if types < 20 else {})
    assert mongo[name]["inventory"].count_documents({}) == round(8 * 30 * 0.925)


def test_generate_asks_before_adding_to_a_catalogue_on_a_named_server(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, made: Original, tmp_path: Path
) -> None:
    folder = made.write(tmp_path / "original")
    env = {"MONGODB_DATABASE": name}
    assert workplace.zava("import-source", str(folder), "--uri", uri, env=env).code == 0
    before = state(mongo)[name]
    assert workplace.zava("generate", "--uri", uri, env=env, stdin="wrong\n").code == 2
    assert state(mongo)[name] == before
    mongo[name]["product_embeddings"].delete_one({})  # an incomplete import is not continued
    refused = workplace.zava("generate", "--uri", uri, "--yes", env=env)
    assert (refused.code, "pass --drop" in refused.line) == (2, True)
    again = workplace.zava("import-source", str(folder), "--uri", uri, "--json", env=env)
    assert json.loads(again.out)["counts"] == {"product_embeddings": 1}
    mongo[name].command("collMod", "products", validationLevel="off")
    mongo[name]["products"].update_one({}, {"$set": {"cost": "much"}})
    broken = workplace.zava("generate", "--uri", uri, "--yes", env=env)
    assert (broken.code, 'cost "much" is not of type int, long or double' in broken.line) == (2, True)
    assert {n: size for n, size in state(mongo)[name].items() if size} == {n: s for n, s in before.items() if s}


def test_soft_deleted_products_are_not_sold_again(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, made: Original, tmp_path: Path
) -> None:
    env = {"MONGODB_DATABASE": name}
    assert workplace.zava("import-source", str(made.write(tmp_path / "o")), "--uri", uri, env=env).code == 0
    gone = [product["product_id"] for product in mongo[name]["products"].find().limit(5)]
    mongo[name]["products"].update_many({"product_id": {"$in": gone}}, {"$set": {"deleted": True}})
    assert workplace.zava("generate", "--uri", uri, "--yes", env=env).code == 0
    for collection in ("order_items", "inventory"):
        assert mongo[name][collection].count_documents({}) > 0
        assert mongo[name][collection].count_documents({"product_id": {"$in": gone}}) == 0
