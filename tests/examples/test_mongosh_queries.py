"""examples/mongodb_queries.js and the provisioning script, run by mongosh."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import platformdirs
import pytest
from bson import json_util
from pymongo import MongoClient
from pymongo.database import Database

from conformance.config.configuration import NamedQuery, filled
from conformance.model.collection import Model
from tests.commands import Workplace
from tests.examples.expected import (
    EXAMPLES,
    _aisle,
    _customer_history,
    _low_stock,
    _order_with_items,
    _sales_by_date,
    _store_inventory,
    _top_products,
    grouped,
    live,
    low,
    money,
    sold,
)
from tests.validation import ROOT, configuration_for

pytest_plugins = ["tests.commands", "tests.mcp_servers.shop"]


Document = dict[str, Any]
Mongo = Database[Document]
Rows = list[Document]


#: The packages that npm installs; `make upgrade` renews the lock file.
PINNED: Final = ROOT / "tests" / "npm"


# examples/mongodb_queries.js, by mongosh


@pytest.fixture(scope="session")
def mongosh() -> str:
    """Return mongosh: the one on PATH, else the one of npm's lock file, installed once into the user's cache."""
    found = shutil.which("mongosh")
    if found:
        return found
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("neither mongosh nor npm is on PATH: install Node to run the examples in mongosh")
    base = Path(os.environ.get("ZAVA_CACHE_DIR") or platformdirs.user_cache_path("zava-conformance", appauthor=False))
    place = base / f"mongosh-{hashlib.sha256((PINNED / 'package-lock.json').read_bytes()).hexdigest()[:8]}"
    program = place / "node_modules" / ".bin" / "mongosh"
    if not program.exists():
        place.mkdir(parents=True, exist_ok=True)
        for file in PINNED.glob("package*.json"):
            shutil.copy(file, place)
        # Omit the optional packages for Kerberos, encryption and cloud logins; compiling them takes half a minute.
        less = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
        command = [npm, "ci", "--prefix", str(place), *less]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install mongosh: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return str(program)


def shell(mongosh: str, uri: str, database: str, *arguments: str) -> str:
    """Return the output of mongosh; fail if it prints an error."""
    env = {**os.environ, "MONGODB_DATABASE": database, "MONGOSH_FORCE_DISABLE_TELEMETRY_FOR_TESTING": "1"}
    command = [mongosh, uri, "--quiet", "--norc", *arguments]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    return done.stdout


@dataclass(frozen=True)
class Shown:
    """A line that the script printed."""

    values: list[Any]
    found: Rows


@pytest.fixture(scope="module")
def shown(mongosh: str, shop: Mongo, shop_uri: str) -> Mapping[str, Shown]:
    """Return the results of every query of the script."""
    out = shell(mongosh, shop_uri, shop.name, "--file", str(EXAMPLES / "mongodb_queries.js"))
    lines = [json_util.loads(line) for line in out.splitlines()]
    return {line["query"]: Shown(line["values"], line["found"]) for line in lines}


def _customer_analytics(every: Mapping[str, Rows], customer_id: str) -> Rows:
    orders = sold(every, customer_id=customer_id)
    dates = sorted(one["order_date"] for one in orders)
    average = round(money(orders) / len(orders), 2)
    whole = {"orders": len(orders), "spent": money(orders), "average": average, "first": dates[0], "last": dates[-1]}
    return [{"_id": customer_id, **whole}]


def _inventory_report(every: Mapping[str, Rows], store_id: str) -> Rows:
    products = {one["product_id"]: one for one in every["products"]}
    shelves = live(every["inventory"], store_id=store_id)
    return [
        {
            "_id": category,
            "shelves": len(part),
            "pieces": sum(one["stock_level"] for one in part),
            "value": float(sum(one["stock_level"] * Decimal(str(products[one["product_id"]]["cost"])) for one in part)),
            "low": len(low(part)),
        }
        for category, part in grouped(shelves, lambda one: products[one["product_id"]]["category_id"]).items()
    ]


def _text_search(every: Mapping[str, Rows], words: str) -> Rows:
    """Return documents with one of the words: only the set of results is known, since their order is by score."""
    stems = [word[:4] for word in words.split()]
    return [
        one
        for one in live(every["products"])
        if any(re.search(rf"\b{stem}", f"{one['product_name']} {one['product_description']}", re.I) for stem in stems)
    ]


def _similar(every: Mapping[str, Rows], product_id: str) -> Rows:
    others = {one["product_id"]: np.array(one["description_embedding"]) for one in live(every["product_embeddings"])}
    asked = others.pop(product_id)
    near = {
        key: float(vector @ asked / np.linalg.norm(vector) / np.linalg.norm(asked)) for key, vector in others.items()
    }
    best = sorted(near, key=lambda key: (-near[key], key))[:10]
    return [{"product_id": key, "similarity": pytest.approx(near[key], abs=1e-12)} for key in best]


def _sales_by_store(every: Mapping[str, Rows], store_id: str, first: str, last: str) -> Rows:
    orders = sold(every, first, last, store_id=store_id)
    return [{"_id": store_id, "orders": len(orders), "sales": money(orders)}]


#: By the name in the script: the name in config/queries.yaml, and a function that computes the expected rows.
QUERIES: Final[Mapping[str, tuple[str, Callable[..., Rows]]]] = {
    "orderWithItems": ("order_with_items", _order_with_items),
    "customerHistory": ("customer_history", _customer_history),
    "customerAnalytics": ("customer_analytics", _customer_analytics),
    "storeInventory": ("store_inventory", _store_inventory),
    "inventoryReport": ("inventory_report", _inventory_report),
    "lowStock": ("low_stock", _low_stock),
    "aisleLookup": ("aisle_lookup", _aisle),
    "textSearch": ("text_search", _text_search),
    "similarProducts": ("similar_products", _similar),
    "salesByDate": ("sales_by_date", _sales_by_date),
    "salesByStore": ("sales_by_store", _sales_by_store),
    "topProductsByCategory": ("top_products_by_category", _top_products),
}
#: Queries whose order, or that of equals, is not defined; and the list within a document that has none.
UNORDERED: Final = {"aisleLookup": None, "textSearch": None, "lowStock": "stock_level"}


def keyed(rows: Rows) -> list[str]:
    """Return rows as sorted text in which equal numbers are equal."""
    return sorted(json_util.dumps(plain(row), sort_keys=True) for row in rows)


def plain(value: Any) -> Any:
    """Return a document with its unordered lists sorted, and whole doubles as in JSON."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items() if key != "score"}
    if isinstance(value, list):
        return sorted((plain(inner) for inner in value), key=json_util.dumps)
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.parametrize("name", QUERIES)
def test_mongosh_query_equals_the_python_result(
    shown: Mapping[str, Shown], every: Mapping[str, Rows], name: str
) -> None:
    wanted = QUERIES[name][1](every, *shown[name].values)
    found = shown[name].found
    assert found, "nothing was found: nothing was compared"
    if name in UNORDERED or name == "orderWithItems":
        assert keyed(found) == keyed(wanted)
        key = UNORDERED.get(name)
        assert key is None or [one[key] for one in found] == [one[key] for one in wanted]
    else:
        assert found == wanted


def test_text_search_is_ordered_by_score(shown: Mapping[str, Shown]) -> None:
    found = shown["textSearch"].found
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert "Toilet" in found[0]["product_name"]


@pytest.mark.parametrize("name", QUERIES)
def test_mongosh_query_equals_the_named_query(shown: Mapping[str, Shown], shop: Mongo, model: Model, name: str) -> None:
    """The driver returns the same; rules check the plan of this query."""
    (query,) = [one for one in configuration_for(model).queries if one.name == QUERIES[name][0]]
    values = dict(zip(query.parameters, shown[name].values, strict=True))
    assert keyed(run(shop, query, values)) == keyed(shown[name].found)


def run(shop: Mongo, query: NamedQuery, values: Mapping[str, Any]) -> Rows:
    collection = shop[query.collection]
    if query.pipeline is not None:
        return list(collection.aggregate(filled(query.pipeline, values)))
    cursor = collection.find(filled(query.find, values)).limit(query.limit)
    return list(cursor.sort([*query.sort.items()]) if query.sort else cursor)


def test_every_query_of_the_script_is_shown(shown: Mapping[str, Shown]) -> None:
    text = (EXAMPLES / "mongodb_queries.js").read_text(encoding="utf-8")
    functions = re.findall(r"^  (\w+): \(", text, re.M)
    assert functions == list(QUERIES)
    assert list(shown) == functions


# zava provision --print-js, by mongosh


def state(database: Mongo) -> list[Any]:
    """Return collections with their options and indexes."""
    options = sorted(database.list_collections(), key=lambda one: one["name"])
    return [
        (one["name"], one.get("options"), sorted(json_util.dumps(i) for i in database[one["name"]].list_indexes()))
        for one in options
    ]


def test_provisioning_script_equals_provision(
    mongosh: str, tmp_path: Path, workplace: Workplace, mongo: MongoClient[Document], name: str, uri: str
) -> None:
    env = {"MONGODB_DATABASE": name}
    script = tmp_path / "provision.js"
    script.write_text(workplace.zava("provision", "--print-js", env=env).out, encoding="utf-8")
    shell(mongosh, uri, name, "--file", str(script))
    check = workplace.zava("provision", "--check", "--uri", uri, env=env)
    assert (check.code, check.out) == (0, ""), check.out
    made = state(mongo[name])
    assert len(made) == 9
    shell(mongosh, uri, name, "--file", str(script))
    assert state(mongo[name]) == made
