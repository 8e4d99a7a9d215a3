"""Run every query and program in examples/, and compare its results with the same computed in Python."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import platformdirs
import pytest
import yaml
from bson import json_util
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import AutoReconnect, DuplicateKeyError

from conformance.config.configuration import NamedQuery, filled
from conformance.ditto.connector import load_connector
from conformance.ditto.subscriptions import load_subscriptions
from conformance.model.collection import Model
from edge.store.store import Store
from edge.values import to_ditto
from tests.commands import Workplace, copy_of_the_model
from tests.mcp_servers.shop import environment
from tests.validation import ROOT, configuration_for

pytest_plugins = ["tests.commands", "tests.mcp_servers.shop"]

Document = dict[str, Any]
Mongo = Database[Document]
Rows = list[Document]
EXAMPLES: Final = ROOT / "examples"
#: The packages that npm installs; `make upgrade` renews the lock file.
PINNED: Final = ROOT / "tests" / "npm"


@pytest.fixture(scope="module")
def every(shop: Mongo) -> Mapping[str, Rows]:
    """Return every document of the shop, by collection; the expected results below are computed from them."""
    return {name: list(shop[name].find().sort("_id", 1)) for name in shop.list_collection_names()}


def live(documents: Rows, **wanted: Any) -> Rows:
    """Return the documents that are not deleted and have these values."""
    return [one for one in documents if not one["deleted"] and all(one.get(k) == v for k, v in wanted.items())]


def sold(every: Mapping[str, Rows], first: str = "", last: str = "9", **wanted: Any) -> Rows:
    orders = live(every["orders"], **wanted)
    return [one for one in orders if one["status"] != "cancelled" and first <= one["order_date"] <= last]


def money(documents: Rows, path: str = "total") -> float:
    return float(sum((Decimal(str(one[path])) for one in documents), Decimal(0)))


def grouped(documents: Rows, key: Callable[[Document], str]) -> dict[str, Rows]:
    found: dict[str, Rows] = defaultdict(list)
    for one in documents:
        found[key(one)].append(one)
    return dict(sorted(found.items()))


def low(documents: Rows) -> Rows:
    return [one for one in documents if "reorder_threshold" in one and one["stock_level"] <= one["reorder_threshold"]]


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


def _order_with_items(every: Mapping[str, Rows], order_id: str) -> Rows:
    (order,) = [one for one in every["orders"] if one["order_id"] == order_id]
    return [{**order, "items": [one for one in every["order_items"] if one["order_id"] == order_id]}]


def _customer_history(every: Mapping[str, Rows], customer_id: str) -> Rows:
    return sorted(live(every["orders"], customer_id=customer_id), key=lambda one: one["order_date"], reverse=True)[:20]


def _customer_analytics(every: Mapping[str, Rows], customer_id: str) -> Rows:
    orders = sold(every, customer_id=customer_id)
    dates = sorted(one["order_date"] for one in orders)
    average = round(money(orders) / len(orders), 2)
    whole = {"orders": len(orders), "spent": money(orders), "average": average, "first": dates[0], "last": dates[-1]}
    return [{"_id": customer_id, **whole}]


def _store_inventory(every: Mapping[str, Rows], store_id: str) -> Rows:
    return sorted(live(every["inventory"], store_id=store_id), key=lambda one: one["product_id"])


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


def _low_stock(every: Mapping[str, Rows], store_id: str) -> Rows:
    return sorted(low(live(every["inventory"], store_id=store_id)), key=lambda one: one["stock_level"])


def _aisle(every: Mapping[str, Rows], store_id: str, aisle: str) -> Rows:
    return [one for one in live(every["inventory"], store_id=store_id) if one["location"]["aisle"] == aisle]


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


def _sales_by_date(every: Mapping[str, Rows], first: str, last: str) -> Rows:
    days = grouped(sold(every, first, last), lambda one: one["order_date"][:10])
    return [{"_id": day, "orders": len(orders), "sales": money(orders)} for day, orders in days.items()]


def _sales_by_store(every: Mapping[str, Rows], store_id: str, first: str, last: str) -> Rows:
    orders = sold(every, first, last, store_id=store_id)
    return [{"_id": store_id, "orders": len(orders), "sales": money(orders)}]


def _top_products(every: Mapping[str, Rows], store_id: str, first: str, last: str) -> Rows:
    wanted = {one["order_id"] for one in sold(every, first, last, store_id=store_id)}
    category = {one["product_id"]: one["category_id"] for one in every["products"]}
    lines = grouped(
        [one for one in live(every["order_items"]) if one["order_id"] in wanted], lambda one: one["product_id"]
    )
    best = sorted(lines, key=lambda key: (-money(lines[key], "line_total"), key))
    return [
        {
            "_id": name,
            "products": [
                {
                    "product_id": key,
                    "quantity": sum(one["quantity"] for one in lines[key]),
                    "sales": money(lines[key], "line_total"),
                }
                for key in best
                if category[key] == name
            ][:5],
        }
        for name in sorted({category[key] for key in lines})
    ]


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


# examples/mongodb_client.py


@pytest.fixture(scope="module")
def client_module() -> ModuleType:
    """Return the example as a module."""
    spec = importlib.util.spec_from_file_location("mongodb_client", EXAMPLES / "mongodb_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the example beside a copy of the model and its .env, from another folder."""
    copy_of_the_model(folder)
    copy, elsewhere = folder / "examples" / "mongodb_client.py", folder / "elsewhere"
    copy.parent.mkdir()
    elsewhere.mkdir()
    shutil.copy(EXAMPLES / copy.name, copy)
    return subprocess.run(
        [sys.executable, str(copy)], cwd=elsewhere, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def bare(shop: Mongo) -> Mapping[str, str]:
    """Return an environment that names no database."""
    return {name: value for name, value in environment(shop).items() if name != "MONGODB_DATABASE"}


def test_client_connects_by_env_and_prints_every_step(
    tmp_path: Path, shop: Mongo, shop_uri: str, bare: Mapping[str, str], every: Mapping[str, Rows]
) -> None:
    env_file = f"MONGODB_CONNECTION_STRING={shop_uri}\nMONGODB_DATABASE={shop.name}\n"
    (tmp_path / ".env").write_text(env_file, encoding="utf-8")
    before = shop.command("dbHash")["md5"]
    done = program(tmp_path, bare)
    assert (done.returncode, done.stderr) == (0, "")
    steps = {name: found for line in done.stdout.splitlines() for name, found in json.loads(line).items()}
    key = {"store_id": "store_seattle", "product_id": "prod_ht-ha-0001"}
    assert steps["created"].items() >= {**key, "stock_level": 3, "deleted": False}.items()
    assert steps["refused"] == key
    assert steps["sold 2"]["stock_level"] == 1
    assert steps["sold 2 more"] is None
    assert steps["deleted"] == [True, False]
    assert steps["read again"] is None
    assert (steps["inserted in batches"]["inserted"], steps["inserted in batches"]["refused"]) == (2_400, 100)
    day = max(live(every["orders"]), key=lambda one: one["order_date"])["order_date"][:10]
    assert steps["sales of the last day"] == [
        {"_id": each["_id"], "n": each["orders"], "sales": each["sales"]}
        for each in _sales_by_date(every, f"{day}T00:00:00Z", f"{day}T23:59:59Z")
    ]
    assert steps["something to water the lawn"][0]["product_id"] == "prod_go-wt-0007"
    assert shop.command("dbHash")["md5"] == before
    assert not [name for name in shop.client.list_database_names() if "_example_" in name]


@pytest.mark.parametrize(
    ("env_file", "message"),
    [
        ("", "MONGODB_CONNECTION_STRING is not set: cp .env.sample .env"),
        ("MONGODB_CONNECTION_STRING=mongodb://u:secret@", "ConfigurationError: "),
    ],
)
def test_client_reports_errors_in_one_line(
    tmp_path: Path, bare: Mapping[str, str], env_file: str, message: str
) -> None:
    (tmp_path / ".env").write_text(env_file, encoding="utf-8")
    done = program(tmp_path, bare)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr


def test_client_retries_a_limited_number_of_times(client_module: ModuleType) -> None:
    waited: list[float] = []
    failures = iter([AutoReconnect("gone"), AutoReconnect("gone"), None])

    def work() -> str:
        error = next(failures)
        if error is not None:
            raise error
        return "done"

    assert client_module.with_retries(work, wait=waited.append) == "done"
    assert waited == [0.1, 0.2]

    def hopeless() -> None:
        raise AutoReconnect("gone")

    waited.clear()
    with pytest.raises(AutoReconnect):
        client_module.with_retries(hopeless, attempts=3, wait=waited.append)
    assert waited == [0.1, 0.2]


def test_client_does_not_retry_a_duplicate_key(client_module: ModuleType) -> None:
    calls = []

    def work() -> None:
        calls.append(1)
        raise DuplicateKeyError("there already")

    with pytest.raises(DuplicateKeyError):
        client_module.with_retries(work, wait=lambda _: None)
    assert len(calls) == 1


def test_two_tills_sell_the_last_piece_once(client_module: ModuleType, database: Mongo) -> None:
    shelf_id = client_module.create_shelf(database["inventory"], "store_seattle", "prod_ht-ha-0001", 1)
    sold_by = [client_module.sell(database["inventory"], shelf_id, 1) for _ in range(2)]
    assert [each is not None for each in sold_by] == [True, False]


# examples/ditto_queries.md, on the real store


@dataclass
class Block:
    """A query of the document with its arguments."""

    heading: str
    dql: str
    arguments: dict[str, Any] = field(default_factory=dict)


def blocks() -> Iterator[Block]:
    """Return every fenced query in order, with the arguments from the JSON fence after it."""
    text = (EXAMPLES / "ditto_queries.md").read_text(encoding="utf-8")
    heading = ""
    last: Block | None = None
    for title, kind, body in re.findall(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        if title:
            heading = title
        elif kind == "dql":
            if last is not None:
                yield last
            last = Block(heading, " ".join(body.split()))
        else:
            assert kind == "json"
            assert last is not None
            last.arguments = json.loads(body)
    assert last is not None
    yield last


BLOCKS: Final = list(blocks())


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, model: Model, every: Mapping[str, Rows]) -> Iterator[Store]:
    """A store with the shop's documents as the bridge copies them."""
    mappings = load_connector(model).mappings
    with Store.open(tmp_path_factory.mktemp("examples") / "store") as store:
        for statement in load_subscriptions(model).index_statements:
            store.execute(statement)
        for name, mapping in mappings.items():
            store.insert(name, (to_ditto(one, model[name], mapping) for one in every[name]))
        yield store


@pytest.fixture(scope="module")
def answers(device: Store, every: Mapping[str, Rows]) -> Mapping[str, list[tuple[dict[str, Any], Rows]]]:
    """Return arguments and rows of every query, by heading; placeholder keys are replaced by existing ones."""
    order = next(one for one in live(every["orders"]) if one["store_id"] == "store_seattle")
    known = {"order_id": order["order_id"], "customer_id": order["customer_id"], "product_id": shelf_of(every)}
    found: dict[str, list[tuple[dict[str, Any], Rows]]] = defaultdict(list)
    given: list[Rows] = []
    for block in BLOCKS:
        if block.heading in ("Subscriptions", "Selling"):
            continue
        arguments = {
            name: each(given, value["each"]) if isinstance(value, Mapping) else known.get(name, value)
            for name, value in block.arguments.items()
        }
        given.append(device.execute(block.dql, arguments))
        found[block.heading].append((arguments, given[-1]))
    return found


def shelf_of(every: Mapping[str, Rows]) -> str:
    """Return a product that the store has; the one in the document may not exist."""
    return str(live(every["inventory"], store_id="store_seattle")[0]["product_id"])


def each(given: Sequence[Rows], name: str) -> list[Any]:
    rows = next(rows for rows in reversed(given) if rows and name in rows[0])
    return [row[name] for row in rows]


def ids(rows: Rows, key: str) -> list[Any]:
    return [row[key] for row in rows]


def test_order_with_items_is_read_on_a_device(answers: Any, every: Mapping[str, Rows]) -> None:
    (asked, order), (_, items) = answers["An order with its items"]
    (wanted,) = _order_with_items(every, asked["order_id"])
    assert [(one["order_id"], one["total"]) for one in order] == [(wanted["order_id"], wanted["total"])]
    lines = sorted(wanted["items"], key=lambda one: one["product_id"])
    assert [(one["product_id"], one["line_total"]) for one in items] == [
        (one["product_id"], one["line_total"]) for one in lines
    ]
    assert items


def test_order_with_items_is_read_in_one_query_on_a_device(answers: Any, every: Mapping[str, Rows]) -> None:
    ((asked, rows),) = answers["An order with its items in one query"]
    (wanted,) = _order_with_items(every, asked["order_id"])
    lines = sorted(wanted["items"], key=lambda one: one["product_id"])
    assert rows == [
        {"order_id": wanted["order_id"], "total": wanted["total"]}
        | {key: one[key] for key in ("product_id", "quantity", "line_total")}
        for one in lines
    ]
    assert rows


def test_customer_history_is_read_on_a_device(answers: Any, every: Mapping[str, Rows]) -> None:
    ((asked, rows),) = answers["A customer's history"]
    wanted = [one for one in _customer_history(every, asked["customer_id"]) if one["store_id"] == asked["store_id"]]
    assert ids(rows, "order_id") == ids(wanted, "order_id")
    ((asked, (spent,)),) = answers["Sum of a customer's orders"]
    orders = sold(every, customer_id=asked["customer_id"], store_id=asked["store_id"])
    assert (spent["orders"], spent["spent"]) == (len(orders), pytest.approx(money(orders)))
    assert rows
    assert orders


def test_inventory_is_read_on_a_device(answers: Any, every: Mapping[str, Rows]) -> None:
    (asked, rows), (_, (figures,)), (_, (empty,)) = answers["A store's inventory"]
    wanted = _store_inventory(every, asked["store_id"])
    assert ids(rows, "product_id") == ids(wanted, "product_id")
    assert figures == {"shelves": len(wanted), "pieces": sum(one["stock_level"] for one in wanted)}
    assert empty == {"empty": sum(one["stock_level"] == 0 for one in wanted)}
    ((asked, rows),) = answers["Low stock"]
    wanted = _low_stock(every, asked["store_id"])
    assert ids(rows, "stock_level") == ids(wanted, "stock_level")
    assert sorted(ids(rows, "_id")) == sorted(ids(wanted, "_id"))
    assert rows


def test_products_in_an_aisle_are_read_on_a_device(answers: Any, every: Mapping[str, Rows]) -> None:
    ((asked, rows),) = answers["In an aisle"]
    assert sorted(ids(rows, "_id")) == sorted(ids(_aisle(every, asked["store_id"], asked["aisle"]), "_id"))
    assert rows
    ((asked, rows),) = answers["Location of a product in the store"]
    (wanted,) = live(every["inventory"], **asked)
    assert [(one["_id"], one["location"]) for one in rows] == [(wanted["_id"], wanted["location"])]


def test_products_by_name_are_read_on_a_device(answers: Any, every: Mapping[str, Rows]) -> None:
    (asked, rows), (label, found) = answers["Products by name"]
    part = asked["words"].strip("%")
    wanted = sorted(one["product_name"] for one in live(every["products"]) if part in one["product_name"].lower())
    assert ids(rows, "product_name") == wanted
    assert len(wanted) > 5
    assert ids(found, "sku") == [label["sku"]]


def test_sales_by_date_are_read_on_a_device(answers: Any, every: Mapping[str, Rows]) -> None:
    ((asked, rows),) = answers["Sales by date"]
    days = grouped(
        sold(every, asked["from"], asked["to"], store_id=asked["store_id"]), lambda one: one["order_date"][:10]
    )
    assert [(one["day"], one["orders"], one["sales"]) for one in rows] == [
        (day, len(orders), pytest.approx(money(orders))) for day, orders in days.items()
    ]
    assert rows


def test_top_products_are_read_on_a_device(answers: Any, every: Mapping[str, Rows]) -> None:
    (category, products), (asked, orders), (_, rows) = answers["Top products of a category"]
    assert sorted(ids(products, "product_id")) == sorted(
        one["product_id"] for one in every["products"] if one["category_id"] == category["category_id"]
    )
    assert Counter(ids(orders, "order_id")) == Counter(
        ids(sold(every, asked["from"], asked["to"], store_id=asked["store_id"]), "order_id")
    )
    (best,) = [
        one["products"]
        for one in _top_products(every, asked["store_id"], asked["from"], asked["to"])
        if one["_id"] == category["category_id"]
    ]
    assert [(one["product_id"], one["quantity"]) for one in rows] == [
        (one["product_id"], one["quantity"]) for one in best
    ]
    assert [one["sales"] for one in rows] == pytest.approx([one["sales"] for one in best])


def test_every_query_of_the_document_is_tested(answers: Any) -> None:
    """A test above names each, so that an added query is tested too."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(answers) == 11
    assert all(f'answers["{heading}"]' in text for heading in answers)


def test_selling_updates_the_stock_level(device: Store, every: Mapping[str, Rows], answers: Any) -> None:
    (block,) = [one for one in BLOCKS if one.heading == "Selling"]
    where = {"store_id": block.arguments["store_id"], "product_id": shelf_of(every)}
    (shelf,) = live(every["inventory"], **where)
    assert answers, "asked before anything is changed"
    assert device.mutate(block.dql, {**block.arguments, **where}).ids == [shelf["_id"]]
    (now,) = device.execute("SELECT stock_level FROM inventory WHERE _id = :id", {"id": shelf["_id"]})
    assert now["stock_level"] == block.arguments["stock_level"] != shelf["stock_level"]


def test_documented_limit_of_the_engine_still_exists(device: Store, every: Mapping[str, Rows]) -> None:
    """A failure shows that the engine is fixed and the warning can be removed."""
    lists = {"stores": ids(every["stores"], "store_id"), "products": ids(every["products"], "product_id")[:50]}
    number = sum(one["product_id"] in lists["products"] for one in every["inventory"])

    def found(condition: str) -> int:
        return int(device.execute(f"SELECT count(*) AS n FROM inventory WHERE {condition}", lists)[0]["n"])  # noqa: S608

    assert found("product_id IN :products") == number > 100
    assert found("product_id IN :products AND array_contains(:stores, store_id)") == number
    assert found("product_id IN :products AND store_id IN :stores") == 0
    assert found("product_id IN (:products)") == 0
    nothing = "SELECT store_id, count(*) AS n FROM inventory WHERE store_id = 'nosuch' GROUP BY store_id"
    assert len(device.execute(nothing)) == 1


SUBSCRIPTIONS: Final = [block for block in BLOCKS if block.heading == "Subscriptions"]


@pytest.mark.parametrize("block", SUBSCRIPTIONS, ids=[block.dql for block in SUBSCRIPTIONS])
def test_subscription_is_accepted_by_the_engine(device: Store, block: Block) -> None:
    device.validate_subscription(block.dql, block.arguments)
    file = yaml.safe_load((ROOT / "config" / "ditto_subscriptions.yaml").read_text(encoding="utf-8"))
    (manager,) = [one for one in file["devices"] if one["name"] == "store_manager"]
    assert block.dql in [one["query"] for one in manager["subscriptions"]]
