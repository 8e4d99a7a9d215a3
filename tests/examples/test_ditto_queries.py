"""examples/ditto_queries.md: every query runs on a real Ditto store, with the result computed in Python."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from conformance.ditto.connector import load_connector
from conformance.ditto.subscriptions import load_subscriptions
from conformance.model.collection import Model
from edge.store.store import Store
from edge.values import to_ditto
from tests.examples.expected import (
    EXAMPLES,
    _aisle,
    _customer_history,
    _low_stock,
    _order_with_items,
    _store_inventory,
    _top_products,
    grouped,
    live,
    money,
    sold,
)
from tests.validation import ROOT

pytest_plugins = ["tests.commands", "tests.mcp_servers.shop"]


Document = dict[str, Any]


Rows = list[Document]


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
