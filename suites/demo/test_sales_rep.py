"""Scenarios of the sales rep app, online and offline.

Each story ends with the same data on MongoDB's side and on all devices, and meeting every rule. docs/DEMO_SCENARIOS.md
tells them in words, and what keeps an app from selling what is not there.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import allure
import pytest

from suites.demo.apps import SalesRep
from suites.demo.office import settle, settled
from suites.demo.shop import Device, Document, Shop, at_once, until

SEATTLE: Final = "store_seattle"
CENT: Final = Decimal("0.01")


@pytest.fixture(autouse=True)
def labelled() -> None:
    """Allure's labels."""
    allure.dynamic.feature("Stories of the sales rep app")


@pytest.fixture
def rep(shop: Shop) -> SalesRep:
    """Return a sales rep in Seattle."""
    return shop.sales_rep("here", SEATTLE, tablet=1)


@pytest.fixture
def colleague(shop: Shop) -> SalesRep:
    """Return another sales rep in Seattle, with the second device."""
    return shop.sales_rep("there", SEATTLE, tablet=2)


@pytest.fixture
def customer(shop: Shop) -> Document:
    """Return a customer of Seattle who has bought there."""
    bought = {one["customer_id"] for one in shop.all("orders", store_id=SEATTLE, deleted=False)}
    found = [one for one in shop.all("customers", primary_store_id=SEATTLE) if one["customer_id"] in bought]
    return found[0]


def stocked(shop: Shop, number: int, pieces: int) -> list[str]:
    """Return products of which Seattle has this number of pieces."""
    chosen = [line["product_id"] for line in shop.all("inventory", store_id=SEATTLE)][:number]
    assert len(chosen) == number
    wanted = {"store_id": SEATTLE, "product_id": {"$in": chosen}}
    shop.database["inventory"].update_many(wanted, {"$set": {"stock_level": pieces, "last_updated": shop.now()}})
    shop.meet()
    return chosen


def levels(shop: Shop, products: list[str]) -> list[int]:
    """Return Seattle's stock of the products in MongoDB."""
    return [shop.one("inventory", store_id=SEATTLE, product_id=one)["stock_level"] for one in products]


def seen(rep: SalesRep, products: list[str]) -> list[int]:
    """Return Seattle's stock of the products on a device."""
    return [rep.line(one)["stock_level"] for one in products]


def statuses(shop: Shop, *orders: str | None) -> list[str]:
    """Return the statuses of the orders in MongoDB."""
    return [shop.one("orders", _id=one)["status"] for one in orders]


def test_catalogue_is_browsed_offline(shop: Shop, here: Device, rep: SalesRep) -> None:
    """The app shows the state of its last sync; a product withdrawn meanwhile disappears with the next one."""
    products = shop.all("products", deleted=False)
    categories = shop.all("categories")

    def shown() -> dict[str, list[str]]:
        return {one["_id"]: [row["_id"] for row in rep.browse(one["_id"])] for one in categories}

    def expected(gone: str | None = None) -> dict[str, list[str]]:
        left = sorted((one for one in products if one["_id"] != gone), key=lambda one: one["product_name"])
        return {each["_id"]: [one["_id"] for one in left if one["category_id"] == each["_id"]] for each in categories}

    assert shown() == expected()
    assert all(shown().values())
    drills = [row["_id"] for row in rep.ask("products_by_name", words="%drill%")]
    assert sorted(drills) == [one["_id"] for one in products if "drill" in one["product_name"].lower()] != []
    shop.database["products"].update_one({"_id": drills[0]}, {"$set": {"deleted": True}})
    assert shown() == expected()
    here.meet()
    assert shown() == expected(gone=drills[0])
    shop.database["products"].update_one({"_id": drills[0]}, {"$set": {"deleted": False}})
    shop.meet()
    assert shown() == expected()


def test_availability_is_shown_across_stores(shop: Shop, here: Device, rep: SalesRep) -> None:
    """An app lists the stores with a product: offline from its own store, online with the changes."""
    (product_id,) = stocked(shop, 1, pieces=30)

    def expected() -> list[tuple[str, int]]:
        held = shop.all("inventory", product_id=product_id, deleted=False)
        return sorted((one["store_id"], one["stock_level"]) for one in held if one["stock_level"] > 0)

    def shown() -> list[tuple[str, int]]:
        rows = rep.ask("availability", product_id=product_id)
        assert [row["stock_level"] for row in rows] == sorted((row["stock_level"] for row in rows), reverse=True)
        return sorted((row["store_id"], row["stock_level"]) for row in rows)

    before = expected()
    assert shown() == before
    assert len(before) > 1
    shop.database["inventory"].update_one({"store_id": SEATTLE, "product_id": product_id}, {"$set": {"stock_level": 0}})
    assert shown() == before
    with here.online():
        until(lambda: shown() == expected(), "the stores that still have it")
    assert SEATTLE not in dict(shown())


def test_customer_is_looked_up_and_edited(shop: Shop, here: Device, rep: SalesRep, customer: Document) -> None:
    """The device edits the phone, and the office the address for receipts: both edits are kept."""
    customer_id = customer["customer_id"]
    found = rep.ask("customers_by_name", customer_last_name=customer["last_name"])
    namesakes = shop.all("customers", last_name=customer["last_name"], primary_store_id=SEATTLE, deleted=False)
    assert sorted(row["_id"] for row in found) == sorted(one["customer_id"] for one in namesakes)
    rep.edit(customer_id, phone="(206) 555-0199")
    email = f"new.{customer['email']}"
    shop.database["customers"].update_one({"_id": customer["_id"]}, {"$set": {"email": email}})
    mine = {"customer_id": customer_id, "customer_email": {"$exists": True}}
    shop.database["orders"].update_many(mine, {"$set": {"customer_email": email}})
    here.meet()
    after = shop.one("customers", _id=customer["_id"])
    assert after | {"updated_at": ""} == customer | {"phone": "(206) 555-0199", "email": email, "updated_at": ""}
    assert after["updated_at"] > customer["updated_at"]


def test_customer_is_renamed(shop: Shop, here: Device, rep: SalesRep, customer: Document) -> None:
    """The edit is offline, and includes the copies of the name in all orders on the device."""
    customer_id = customer["customer_id"]
    rep.edit(customer_id, last_name="Lindqvist-Berg")
    name = f"{customer['first_name']} Lindqvist-Berg"
    shown = rep.ask("customer_history", customer_id=customer_id)
    assert {row["customer_name"] for row in shown} == {name}
    here.meet()
    assert shop.one("customers", _id=customer["_id"])["last_name"] == "Lindqvist-Berg"
    assert {one["customer_name"] for one in shop.all("orders", customer_id=customer_id)} == {name}


def test_order_history_is_shown(shop: Shop, here: Device, rep: SalesRep, customer: Document) -> None:
    """The latest orders come first, including a new one; a query returns its lines."""
    products = stocked(shop, 2, pieces=9)

    def history() -> list[str]:
        orders = shop.all("orders", customer_id=customer["customer_id"], store_id=SEATTLE, deleted=False)
        return [one["_id"] for one in sorted(orders, key=lambda one: one["order_date"], reverse=True)][:20]

    def shown() -> list[str]:
        return [row["_id"] for row in rep.ask("customer_history", customer_id=customer["customer_id"])]

    before = history()
    assert shown() == before != []
    for order_id in before:
        lines = sorted(one["_id"] for one in shop.all("order_items", order_id=order_id))
        assert sorted(row["_id"] for row in rep.ask("order_lines", order_id=order_id)) == lines != []
    made = rep.order(customer["customer_id"], dict.fromkeys(products, 1))
    assert shown()[0] == made
    assert history() == before
    here.meet()
    assert shown() == history()
    assert history()[0] == made


def test_order_is_created(shop: Shop, here: Device, rep: SalesRep, customer: Document) -> None:
    """The app is offline: stock is reduced at once, sums are correct to the cent, and MongoDB receives everything."""
    products = stocked(shop, 3, pieces=6)
    basket = dict(zip(products, (1, 2, 6), strict=True))
    order_id = rep.order(customer["customer_id"], basket)
    assert seen(rep, products) == [5, 4, 0]
    assert levels(shop, products) == [6, 6, 6]
    here.meet()
    assert levels(shop, products) == [5, 4, 0]
    factor, rate = (Decimal(str(shop.parameters(name)[SEATTLE])) for name in ("store_order_value", "tax_rate"))
    prices = {one: Decimal(str(shop.one("products", _id=one)["base_price"])) * factor for one in products}
    subtotal = sum(prices[one].quantize(CENT, ROUND_HALF_UP) * pieces for one, pieces in basket.items())
    tax = (subtotal * rate / 10_000).quantize(CENT, ROUND_HALF_UP)
    order = shop.one("orders", _id=order_id)
    assert {name: order[name] for name in ("subtotal", "tax", "total", "item_count", "status", "customer_name")} == {
        "subtotal": float(subtotal),
        "tax": float(tax),
        "total": float(subtotal + tax),
        "item_count": 3,
        "status": "pending",
        "customer_name": f"{customer['first_name']} {customer['last_name']}",
    }
    assert {one["product_id"]: one["quantity"] for one in shop.all("order_items", order_id=order_id)} == basket


def test_order_beyond_the_stock_is_rejected(shop: Shop, here: Device, rep: SalesRep, customer: Document) -> None:
    """The whole order is rejected: stock of its other lines is restored, and nothing reaches MongoDB."""
    products = stocked(shop, 2, pieces=4)
    orders, lines = len(shop.all("orders")), len(shop.all("order_items"))
    assert rep.order(customer["customer_id"], dict(zip(products, (3, 5), strict=True))) is None
    assert seen(rep, products) == [4, 4]
    here.meet()
    assert levels(shop, products) == [4, 4]
    assert (len(shop.all("orders")), len(shop.all("order_items"))) == (orders, lines)


def test_two_reps_with_one_store_sell_the_last_pieces_once(
    shop: Shop, here: Device, rep: SalesRep, customer: Document
) -> None:
    """Both sell at the same time on one shared state: never more than the stock, and no piece is lost."""
    (product_id,) = stocked(shop, 1, pieces=15)
    other, sold = shop.sales_rep("here", SEATTLE, tablet=3), list[str | None]()

    def sell(one: SalesRep) -> None:
        for _ in range(10):
            sold.append(one.order(customer["customer_id"], {product_id: 1}))

    at_once(lambda: sell(rep), lambda: sell(other))
    made = [order_id for order_id in sold if order_id is not None]
    assert (len(sold), len(made), len(set(made))) == (20, 15, 15)
    assert seen(rep, [product_id]) == [0]
    here.meet()
    assert levels(shop, [product_id]) == [0]
    assert (
        sum(one["quantity"] for one in shop.all("order_items", product_id=product_id) if one["order_id"] in made) == 15
    )


def test_online_stock_prevents_overselling(
    shop: Shop, here: Device, there: Device, rep: SalesRep, colleague: SalesRep, customer: Document
) -> None:
    """While both are online, a sale of one reduces the stock on the other's screen."""
    (product_id,) = stocked(shop, 1, pieces=3)
    with here.online(), there.online():
        assert colleague.order(customer["customer_id"], {product_id: 3})
        until(lambda: seen(rep, [product_id]) == [0], "the stock that is gone")
        assert rep.order(customer["customer_id"], {product_id: 1}) is None
        until(lambda: levels(shop, [product_id]) == [0], "the same in MongoDB")


def test_offline_overselling_is_resolved_by_the_office(
    shop: Shop, here: Device, there: Device, rep: SalesRep, colleague: SalesRep, customer: Document
) -> None:
    """Offline devices cannot prevent it; the office confirms orders only up to the stock."""
    products = stocked(shop, 2, pieces=5)
    scarce, plenty = products
    since, customer_id = shop.now(), customer["customer_id"]
    first = rep.order(customer_id, {scarce: 3})
    second = colleague.order(customer_id, {scarce: 4})
    third = rep.order(customer_id, {plenty: 2})
    fourth = colleague.order(customer_id, {plenty: 1, scarce: 1})
    assert (seen(rep, products), seen(colleague, products)) == ([2, 3], [0, 4])
    conflicts = there.conflicts
    here.meet()
    there.meet()
    assert there.conflicts >= conflicts + 2
    assert levels(shop, products) == [2, 3]  # a REGISTER: what the colleague sold is not in it
    sold = [sum(one["quantity"] for one in shop.all("order_items", product_id=each, created_at={"$gt": since}))
            for each in products]  # fmt: skip
    assert sold == [8, 3]
    assert statuses(shop, first, second, third, fourth) == ["pending"] * 4
    assert settle(shop.database, SEATTLE, dict.fromkeys(products, 5), since, shop.now()) == [second]
    assert levels(shop, products) == [1, 2]
    assert statuses(shop, first, second, third, fourth) == ["completed", "cancelled", "completed", "completed"]
    shop.meet()
    assert seen(rep, products) == seen(colleague, products) == [1, 2]
    assert [row["status"] for row in colleague.ask("order", order_id=second)] == ["cancelled"]


CASES: Final = [
    ({"a": 5}, [], [], {"a": 5}),
    ({"a": 5}, [("1", {"a": 5}), ("2", {"a": 1})], ["1"], {"a": 0}),
    ({"a": 5}, [("1", {"a": 6}), ("2", {"a": 5})], ["2"], {"a": 0}),
    ({"a": 5, "b": 1}, [("1", {"a": 3, "b": 2}), ("2", {"a": 5, "b": 1})], ["2"], {"a": 0, "b": 0}),
]


@pytest.mark.parametrize(("opening", "orders", "confirmed", "left"), CASES)
def test_office_confirms_orders_within_the_stock(
    opening: dict[str, int], orders: list[tuple[str, dict[str, int]]], confirmed: list[str], left: dict[str, int]
) -> None:
    """Orders are confirmed as a whole, in sequence; stock of a rejected one is available to the next."""
    assert settled(opening, orders) == (confirmed, left)
