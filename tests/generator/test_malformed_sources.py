"""Files that zava import-source rejects, and large files."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.errors import ConfigurationError
from conformance.run.session import Project, load_project
from generator.archive.json_stream import JsonStream
from tests.commands import Workplace, state
from tests.conformance.embedded.processes import ROOT
from tests.generator.original import SEASONS, Original, original, products_of
from zava.data.source import source_archive

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]


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
