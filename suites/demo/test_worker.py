"""Scenarios of the worker app, online and offline.

Each story ends with the same data on MongoDB's side and on all devices, and meeting every rule. docs/DEMO_SCENARIOS.md
tells them in words.
"""

from __future__ import annotations

from typing import Any, Final

import allure
import pytest

from suites.demo.apps import Worker
from suites.demo.shop import Device, Document, Shop, at_once, until

SEATTLE: Final = "store_seattle"
TACOMA: Final = "store_tacoma"
#: Its stock stands for the warehouse's.
WAREHOUSE: Final = "store_online"
#: Pieces that a product needs to be of use in a story.
ENOUGH: Final = 40


@pytest.fixture(autouse=True)
def labelled() -> None:
    """Allure's labels."""
    allure.dynamic.feature("Stories of the worker app")


@pytest.fixture
def worker(shop: Shop) -> Worker:
    """Return a worker in Seattle."""
    return shop.worker("here", SEATTLE)


@pytest.fixture
def colleague(shop: Shop) -> Worker:
    """Return another worker in Seattle, with the second device."""
    return shop.worker("there", SEATTLE)


def lines(shop: Shop, number: int, *others: str) -> list[Document]:
    """Return lines of Seattle's stock with enough pieces, a lower threshold, a full location, and no notes.

    The ``others`` are stores that have enough of the same products.
    """
    stocks = [{line["product_id"] for line in shop.all("inventory", store_id=store, stock_level={"$gte": ENOUGH})}
              for store in others]  # fmt: skip
    found = [
        line
        for line in shop.all("inventory", store_id=SEATTLE, stock_level={"$gte": ENOUGH}, notes={"$exists": False})
        if {"reorder_threshold", "last_counted"} <= line.keys() and "bin" in line["location"]
        if all(line["product_id"] in stock for stock in stocks)
    ]
    assert len(found) >= number
    return found[:number]


def update(shop: Shop, line: Document, **fields: Any) -> None:
    """Set fields of a line in MongoDB, as the office does."""
    shop.database["inventory"].update_one({"_id": line["_id"]}, {"$set": fields})


def pieces(shop: Shop, product_id: str, *stores: str) -> int:
    """Return the number of pieces in the stores in MongoDB."""
    return sum(
        line["stock_level"] for line in shop.all("inventory", product_id=product_id) if line["store_id"] in stores
    )


def count(worker: Worker, counted: list[tuple[str, int]]) -> None:
    """Count products one after the other, as a worker does."""
    for product_id, number in counted:
        worker.count(product_id, number)


def test_product_is_found_by_its_label_and_moved(shop: Shop, here: Device, worker: Worker) -> None:
    """The worker is offline, and the office changes the same document: both changes are kept."""
    (line,) = lines(shop, 1)
    sku = shop.one("products", _id=line["product_id"])["sku"]
    assert worker.find(sku) == line["location"]
    aisle = [
        one for one in shop.all("inventory", store_id=SEATTLE) if one["location"]["aisle"] == line["location"]["aisle"]
    ]
    assert sorted(one["_id"] for one in worker.ask("aisle", aisle=line["location"]["aisle"])) == [
        one["_id"] for one in aisle
    ]
    worker.move(line["product_id"], {"aisle": "Z9", "shelf": "S7"})
    update(shop, line, reorder_threshold=3)
    place = {"aisle": "Z9", "shelf": "S7", "bin": line["location"]["bin"]}
    assert worker.find(sku) == place
    assert shop.one("inventory", _id=line["_id"])["location"] == line["location"]
    here.meet()
    assert shop.one("inventory", _id=line["_id"]) == line | {"location": place, "reorder_threshold": 3}
    assert worker.line(line["product_id"])["reorder_threshold"] == 3


def test_low_stock_is_alerted(shop: Shop, here: Device, worker: Worker) -> None:
    """An open app alerts after a sale of a till, and offline after a count of the worker."""
    sold, counted = lines(shop, 2)
    alerts: list[set[str]] = []

    def low() -> set[str]:
        stock = shop.all("inventory", store_id=SEATTLE, deleted=False)
        return {one["_id"] for one in stock if one["stock_level"] <= one.get("reorder_threshold", -1)}

    observer = worker.watch_low_stock(lambda rows: alerts.append({row["_id"] for row in rows}))
    try:
        until(lambda: bool(alerts), "the first call")
        assert alerts[-1] == low()
        assert not {sold["_id"], counted["_id"]} & low()
        with here.online():
            update(shop, sold, stock_level=sold["reorder_threshold"], last_updated=shop.now())
            until(lambda: sold["_id"] in alerts[-1], "the alert for what a till sold")
            assert alerts[-1] == low()
            worker.put(sold["product_id"], ENOUGH)
            until(lambda: sold["_id"] not in alerts[-1], "the end of the alert")
            until(lambda: pieces(shop, sold["product_id"], SEATTLE) > ENOUGH, "the delivery in MongoDB")
        worker.count(counted["product_id"], 0)
        until(lambda: counted["_id"] in alerts[-1], "the alert for what was counted offline")
        assert counted["_id"] not in low()
        here.meet()
        assert alerts[-1] == low()
        assert observer.failure is None
    finally:
        observer.cancel()


def test_shipment_is_received(shop: Shop, here: Device, worker: Worker) -> None:
    """The worker is offline at the ramp; MongoDB receives the changes when the app is online again."""
    before = lines(shop, 3)
    delivered = {line["product_id"]: 12 * number for number, line in enumerate(before, 1)}
    for product_id, number in delivered.items():
        worker.put(product_id, number)
    update(shop, before[0], notes="On the top shelf.")
    assert [pieces(shop, line["product_id"], SEATTLE) for line in before] == [line["stock_level"] for line in before]
    here.meet()
    after = [shop.one("inventory", _id=line["_id"]) for line in before]
    assert [new["stock_level"] - old["stock_level"] for new, old in zip(after, before, strict=True)] == [12, 24, 36]
    assert after[0]["notes"] == worker.line(before[0]["product_id"])["notes"] == "On the top shelf."
    assert all(new["last_updated"] > old["last_updated"] for new, old in zip(after, before, strict=True))


def test_aisle_is_counted(shop: Shop, here: Device, worker: Worker) -> None:
    """The worker counts offline, shelf by shelf; the counts replace the recorded stock."""
    aisle = lines(shop, 1)[0]["location"]["aisle"]
    before = [line for line in shop.all("inventory", store_id=SEATTLE) if line["location"]["aisle"] == aisle]
    counted = {line["_id"]: line["stock_level"] // 2 for line in before}
    for line in before:
        worker.count(line["product_id"], counted[line["_id"]])
        update(shop, line, **{"location.bin": "B99"})
    here.meet()
    for line in before:
        after = shop.one("inventory", _id=line["_id"])
        assert after["stock_level"] == counted[line["_id"]]
        assert after["last_counted"] == after["last_updated"] > line["last_updated"]
        assert after["location"] == line["location"] | {"bin": "B99"}


def test_stock_is_transferred_between_stores(shop: Shop, here: Device, there: Device, worker: Worker) -> None:
    """Each store records its own part offline; pieces in transit are in neither stock, and the sum is kept."""
    (line,) = lines(shop, 1, TACOMA)
    product_id = line["product_id"]
    in_tacoma = shop.worker("there", TACOMA)
    before = {store: pieces(shop, product_id, store) for store in (SEATTLE, TACOMA)}
    assert not worker.take(product_id, before[SEATTLE] + 1)
    assert worker.line(product_id) == line
    assert worker.take(product_id, 7)
    here.meet()
    assert pieces(shop, product_id, SEATTLE, TACOMA) == sum(before.values()) - 7
    in_tacoma.put(product_id, 7)
    there.meet()
    assert pieces(shop, product_id, SEATTLE) == before[SEATTLE] - 7
    assert pieces(shop, product_id, TACOMA) == before[TACOMA] + 7


def test_stock_is_ordered_from_the_warehouse(shop: Shop, here: Device, there: Device, worker: Worker) -> None:
    """The worker orders offline; the warehouse sends after the sync, and not more than it has."""
    wanted, too_many = lines(shop, 2, WAREHOUSE)
    warehouse = shop.worker("there", WAREHOUSE)
    both = (SEATTLE, WAREHOUSE)
    before = {
        line["product_id"]: [pieces(shop, line["product_id"], one) for one in both] for line in (wanted, too_many)
    }
    worker.order_from_warehouse(wanted["product_id"], 12)
    worker.order_from_warehouse(too_many["product_id"], 10_000)
    assert warehouse.send_what_was_ordered() == {}
    here.meet()
    there.meet()
    assert warehouse.send_what_was_ordered() == {(SEATTLE, wanted["product_id"]): 12}
    worker.receive_from_warehouse(wanted["product_id"], 12)
    there.meet()
    here.meet()
    after = {product_id: [pieces(shop, product_id, one) for one in both] for product_id in before}
    in_store, in_warehouse = before[wanted["product_id"]]
    assert after == before | {wanted["product_id"]: [in_store + 12, in_warehouse - 12]}
    assert "notes" not in shop.one("inventory", _id=wanted["_id"])
    assert shop.one("inventory", _id=too_many["_id"])["notes"] == "10000 pieces ordered from the warehouse"


def test_stock_follows_an_order(shop: Shop, here: Device, there: Device) -> None:
    """A sales rep sells; the worker's screen is updated automatically."""
    (line,) = lines(shop, 1)
    customer = shop.all("customers", primary_store_id=SEATTLE)[0]["customer_id"]
    rep = shop.sales_rep("there", SEATTLE, tablet=41)
    shown: list[int] = []
    arguments = {"store_id": SEATTLE, "product_id": line["product_id"]}
    observer = here.store.observe(
        shop.queries["where_it_lies"], lambda rows: shown.extend(row["stock_level"] for row in rows), arguments
    )
    try:
        with here.online(), there.online():
            until(lambda: shown[-1:] == [line["stock_level"]], "the stock on the screen")
            assert rep.order(customer, {line["product_id"]: 5})
            until(lambda: shown[-1] == line["stock_level"] - 5, "the stock after the order")
            assert rep.order(customer, {line["product_id"]: 2})
            until(lambda: shown[-1] == line["stock_level"] - 7, "the stock after the next order")
        assert shown == sorted(shown, reverse=True)
        assert pieces(shop, line["product_id"], SEATTLE) == line["stock_level"] - 7
    finally:
        observer.cancel()


def test_two_workers_change_different_products_without_conflict(
    shop: Shop, here: Device, there: Device, worker: Worker, colleague: Worker
) -> None:
    """They work at the same time on two offline devices."""
    half, conflicts = lines(shop, 6), here.conflicts + there.conflicts
    at_once(
        lambda: count(worker, [(line["product_id"], 11) for line in half[:3]]),
        lambda: count(colleague, [(line["product_id"], 22) for line in half[3:]]),
    )
    shop.meet()
    assert [pieces(shop, line["product_id"], SEATTLE) for line in half] == [11, 11, 11, 22, 22, 22]
    assert here.conflicts + there.conflicts == conflicts


def test_count_and_move_of_one_item_are_both_kept(shop: Shop, worker: Worker, colleague: Worker) -> None:
    """The edits are of different fields of one item: both are kept."""
    (line,) = lines(shop, 1)
    at_once(
        lambda: worker.count(line["product_id"], 17),
        lambda: colleague.move(line["product_id"], {"aisle": "Y8", "shelf": "S6"}),
    )
    shop.meet()
    after = shop.one("inventory", _id=line["_id"])
    assert after["stock_level"] == 17
    assert after["location"] == {"aisle": "Y8", "shelf": "S6", "bin": line["location"]["bin"]}


def test_two_counts_on_one_store_keep_the_last(shop: Shop, here: Device, worker: Worker) -> None:
    """Devices that sync with each other keep the last value, and it reaches MongoDB."""
    (line,) = lines(shop, 1)
    other = shop.worker("here", SEATTLE)
    product_id = line["product_id"]
    at_once(
        lambda: count(worker, [(product_id, number) for number in range(100, 110)]),
        lambda: count(other, [(product_id, number) for number in range(200, 210)]),
    )
    assert worker.line(product_id)["stock_level"] in (109, 209)
    other.count(product_id, 33)
    here.meet()
    assert pieces(shop, product_id, SEATTLE) == worker.line(product_id)["stock_level"] == 33


def test_two_counts_on_separate_stores_are_a_conflict(
    shop: Shop, here: Device, there: Device, worker: Worker, colleague: Worker
) -> None:
    """For devices that sync through MongoDB only, the first count is kept, and the other one is a conflict."""
    (line,) = lines(shop, 1)
    worker.count(line["product_id"], 44)
    colleague.count(line["product_id"], 55)
    conflicts = there.conflicts
    here.meet()
    there.meet()
    assert there.conflicts > conflicts
    assert pieces(shop, line["product_id"], SEATTLE) == 44
    assert colleague.line(line["product_id"])["stock_level"] == 44
