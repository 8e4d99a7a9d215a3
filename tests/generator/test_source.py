"""zava import-source: the original dataset's files become conformant collections, or nothing at all."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.errors import ConfigurationError
from conformance.model.validators.document_validator import breaches
from conformance.run.session import Project, load_project
from generator.archive.json_stream import JsonStream
from tests.commands import Done, Workplace, state
from tests.conformance.embedded.processes import ROOT
from tests.generator.original import SEASONS, Original, original, products_of
from tests.validation import shipped_model
from zava.data.source import source_archive

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


# Rejected files


def first(source: Original) -> dict[str, Any]:
    return next(products_of(source))


def store(source: Original) -> dict[str, Any]:
    found: dict[str, Any] = source.reference["stores"]["Zava Retail Seattle"]
    return found


def category(source: Original) -> dict[str, Any]:
    found: dict[str, Any] = source.products["main_categories"]["HAND TOOLS"]
    return found


PRODUCT = "product_data.json: at main_categories.HAND TOOLS.HAMMERS[0]"
STORE = "reference_data.json: at stores.Zava Retail Seattle"
#: The edit, and file with place and reason.
MALFORMED: Mapping[str, tuple[Callable[[Original], Any], str, str]] = {
    "a price as text": (lambda s: first(s).update(price="9.99"), f"{PRODUCT}.price", '"9.99"'),
    "a price of half cents": (lambda s: first(s).update(price=9.999), f"{PRODUCT}.price", "whole cents"),
    "no price": (lambda s: first(s).update(price=0), f"{PRODUCT}.price", "below"),
    "a price that is a truth": (lambda s: first(s).update(price=True), f"{PRODUCT}.price", "true"),
    "no name": (lambda s: first(s).update(name=""), f"{PRODUCT}.name", "shorter"),
    "a name that is missing": (lambda s: first(s).pop("name"), f"{PRODUCT}.name", "missing"),
    "no description": (lambda s: first(s).update(description=None), f"{PRODUCT}.description", "null"),
    "half a piece": (lambda s: first(s).update(stock_level=1.5), f"{PRODUCT}.stock_level", "1.5"),
    "pieces that are owed": (lambda s: first(s).update(stock_level=-1), f"{PRODUCT}.stock_level", "-1"),
    "a picture that is none": (lambda s: first(s).update(image_path=7), f"{PRODUCT}.image_path", "7"),
    "a sku with a line feed": (lambda s: first(s).update(sku="A\nB"), f"{PRODUCT}.sku", "does not match"),
    "a sku twice": (
        lambda s: first(s).update(sku=list(products_of(s))[1]["sku"].lower()), "product_data.json", "is also that of",
    ),
    "a short vector": (
        lambda s: first(s)["image_embedding"].pop(), f"{PRODUCT}.image_embedding", "511 items in place of a list",
    ),
    "a long vector": (
        lambda s: first(s)["description_embedding"].append(1.0), f"{PRODUCT}.description_embedding", "1537 items",
    ),
    "a word in a vector": (
        lambda s: first(s)["image_embedding"].__setitem__(3, "x"), f"{PRODUCT}.image_embedding", '"x" is not a finite',
    ),
    "a vector of nothing": (
        lambda s: first(s).update(image_embedding=[0] * 512), f"{PRODUCT}.image_embedding", "every number is 0",
    ),
    "no vector": (lambda s: first(s).update(image_embedding=None), f"{PRODUCT}.image_embedding", "null in place"),
    "a product that is a text": (
        lambda s: category(s)["HAMMERS"].insert(0, "x"), PRODUCT, '"x" is not an object',
    ),
    "a product that is null": (lambda s: category(s)["HAMMERS"].insert(0, None), PRODUCT, "null is not an object"),
    "a type that is no list": (
        lambda s: category(s).update(HAMMERS={}), "at main_categories.HAND TOOLS.HAMMERS", "it is not a list",
    ),
    "a category that is no object": (
        lambda s: s.products["main_categories"].update({"HAND TOOLS": []}), "HAND TOOLS", "it is not an object",
    ),
    "eleven months": (lambda s: category(s)[SEASONS].pop(), f"HAND TOOLS.{SEASONS}", "a list of 12 numbers"),
    "no months": (lambda s: category(s).pop(SEASONS), f"HAND TOOLS.{SEASONS}", "null in place"),
    "a month of nothing": (
        lambda s: category(s)[SEASONS].__setitem__(11, 0), f"HAND TOOLS.{SEASONS}.dec", "0 is not above 0",
    ),
    "a category without a letter": (
        lambda s: s.products["main_categories"].update({"!": {SEASONS: [1] * 12}}), "main_categories.!", '"cat_"',
    ),
    "no products": (lambda s: s.products.update(main_categories={}), "product_data.json", "there is no product"),
    "no categories": (lambda s: s.products.clear(), "product_data.json", "there is no product"),
    "a list of all": (lambda s: setattr(s, "products", []), "product_data.json", "it is not an object"),
    "no stores": (lambda s: s.reference["stores"].clear(), "reference_data.json: at stores", "there is no store"),
    "a store that is a number": (
        lambda s: s.reference["stores"].update({"Zava Retail Seattle": 3}), STORE, "3 is not an object",
    ),
    "a user that is no UUID": (lambda s: store(s).update(rls_user_id="me"), f"{STORE}.rls_user_id", '"me"'),
    "two stores of one user": (
        lambda s: store(s).update(rls_user_id=s.reference["stores"]["Zava Retail Online"]["rls_user_id"]),
        "stores.Zava Retail Online.rls_user_id", "is also that of",
    ),
    "a weight of nothing": (
        lambda s: store(s).update(order_value_multiplier=0), f"{STORE}.order_value_multiplier", "not a number above 0",
    ),
    "a year of three digits": (
        lambda s: s.reference["year_weights"].update({"999": 1}), "year_weights.999", "four digits",
    ),
    "a year without weight": (
        lambda s: s.reference["year_weights"].update({"2020": None}), "year_weights.2020", "null is not a number",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(ROOT)


def rejection(project: Project, folder: Path) -> str:
    """Return the error line for the files of a folder, and assert that no file is left."""
    with pytest.raises(ConfigurationError) as refused:
        source_archive(project, folder, folder.parent / "out", "json", False, None)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_input_is_rejected_with_file_path_and_reason(project: Project, tmp_path: Path, fault: str) -> None:
    edit, place, reason = MALFORMED[fault]
    source = original(products=9)
    edit(source)
    line = rejection(project, source.write(tmp_path / "original"))
    assert place in line
    assert reason in line
    assert line.endswith("nothing was written")


def test_rejected_source_is_one_error_with_its_exit_code(
    workplace: Workplace, mongo: Mongo, uri: str, tmp_path: Path
) -> None:
    source = original(products=2)
    list(products_of(source))[-1]["image_embedding"] = None
    folder = source.write(tmp_path / "original")
    for flags in (["--out", str(tmp_path / "out")], ["--uri", uri]):
        done = workplace.zava("import-source", str(folder), *flags, env={"MONGODB_DATABASE": "nowhere"})
        assert done.code == 2
        assert "image_embedding: null in place of" in done.line
    assert "nowhere" not in state(mongo)
    assert [path.name for path in tmp_path.iterdir()] == ["original"]


#: The content of product_data.json, and the expected message.
BYTES: Mapping[str, tuple[bytes, str]] = {
    "nothing": (b"", "not valid JSON"),
    "cut short": (
        b'{"main_categories": {"HAND TOOLS": {"HAMMERS": [{"name": "a"',
        "main_categories.HAND TOOLS.HAMMERS[0]",
    ),
    "more than one": (b'{"main_categories": {}}{}', "trailing garbage"),
    "a byte order mark": (b'\xef\xbb\xbf{"main_categories": {}}', "not valid JSON"),
    "UTF-16": ('{"main_categories": {}}'.encode("utf-16"), "not valid JSON"),
    "broken UTF-8": (b'{"main_categories": {"\xff": {}}}', "invalid bytes in UTF8"),
    "not a number": (b'{"main_categories": {"A": {"B": [NaN]}}}', "not valid JSON"),
    "a number too large": (b'{"main_categories": {"A": {"B": [1e999]}}}', "not valid JSON"),
    "a category twice": (
        b'{"main_categories": {"A": {"%s": [1,1,1,1,1,1,1,1,1,1,1,1]}, "A": {}}}' % SEASONS.encode(),
        "at main_categories.A: the key occurs twice",
    ),
    "a key of a product twice": (b'{"main_categories": {"A": {"B": [{"name": 1, "name": 2}]}}}', "'name' occurs twice"),
    "depth": (b'{"main_categories": {"A": {"B": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}}}", "nested too deeply"),
}


@pytest.mark.parametrize("fault", BYTES)
def test_invalid_json_is_rejected(project: Project, tmp_path: Path, fault: str) -> None:
    content, reason = BYTES[fault]
    folder = original(products=1).write(tmp_path / "original")
    (folder / "product_data.json").write_bytes(content)
    line = rejection(project, folder)
    assert "product_data.json" in line
    assert reason in line


@pytest.mark.parametrize("file", ["product_data.json", "reference_data.json"])
def test_missing_file_is_reported(project: Project, tmp_path: Path, file: str) -> None:
    folder = original(products=1).write(tmp_path / "original")
    (folder / file).unlink()
    assert f"{file}: cannot be read: No such file" in rejection(project, folder)


@pytest.mark.parametrize(
    "flags", [["--out", "x", "--embedded"], ["--out", "x", "--drop"], ["--gzip"], ["--as", "bson"]], ids=" ".join
)
def test_mutually_exclusive_flags_are_rejected(workplace: Workplace, flags: list[str], tmp_path: Path) -> None:
    done = workplace.zava("import-source", str(tmp_path), *flags)
    assert done.code == 2
    assert "--out" in done.line


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


# Large files


def peak(*command: str, folder: Path) -> int:
    """Return the peak memory, in MB, of a separate process."""
    script = "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=2); "
    script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) // (1024 if sys.platform == "linux" else 1024**2)


def test_memory_does_not_grow_with_the_file(workplace: Workplace, tmp_path: Path) -> None:
    """A file with eight times the products needs at most a tenth more memory."""
    used = {}
    for times in (1, 8):
        folder = original(products=30, times=times).write(tmp_path / str(times))
        out = ("--out", str(tmp_path / f"out-{times}"), "--as", "bson")
        used[times] = peak(str(Path(sys.executable).parent / "zava"), "import-source", str(folder), *out, folder=ROOT)
    assert (tmp_path / "8" / "product_data.json").stat().st_size > 4_000_000
    assert used[8] < 1.1 * used[1], used


def test_stream_yields_elements_before_the_end_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"a": [1, {"b": [2.5, null]}, "x"], "c": {}, "d": -0.0}', encoding="utf-8")
    stream, found = JsonStream(path), []
    for key in stream.members():
        found += (
            [(stream.place, stream.value()) for _ in stream.elements()]
            if key == "a"
            else [(stream.place, stream.value())]
        )
    stream.end()
    assert found == [
        (f"{path}: at a[0]", 1),
        (f"{path}: at a[1]", {"b": [2.5, None]}),
        (f"{path}: at a[2]", "x"),
        (f"{path}: at c", {}),
        (f"{path}: at d", 0.0),
    ]
    assert math.copysign(1, found[-1][1]) == -1
    with pytest.raises(ConfigurationError, match="it is not a list"):
        next(JsonStream(path).elements())
