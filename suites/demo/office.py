"""The office's side of the stories, in MongoDB: what it changes while devices are away, and which orders it confirms.

Where two devices sold the same pieces apart from each other, `stock_level` cannot tell: it is a REGISTER, and one of
the two values is lost. The lines of the orders are not lost. So the office confirms orders in the sequence in which
they were made, as long as what was there lasts, withdraws the others, and reckons the stock from what it confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo.database import Database

Document = dict[str, Any]
Basket = Mapping[str, int]

#: Numbers of orders that devices drew: three digits of the device's own before the six of the day.
ON_A_DEVICE: Final = r"^order_[0-9]{8}_[0-9]{9}$"


def settled(opening: Mapping[str, int], orders: Sequence[tuple[str, Basket]]) -> tuple[list[str], Mapping[str, int]]:
    """Return the orders that what was there lasts for, the first come first, and what is left of it, by product.

    An order is confirmed as a whole or not at all.
    """
    left, confirmed = dict(opening), []
    for order_id, basket in orders:
        if all(left[product_id] >= pieces for product_id, pieces in basket.items()):
            confirmed.append(order_id)
            for product_id, pieces in basket.items():
                left[product_id] -= pieces
    return confirmed, left


def settle(database: Database[Document], store_id: str, opening: Mapping[str, int], since: str, now: str) -> list[str]:
    """Confirm or withdraw the orders that devices made in a store since its stock was ``opening``; the withdrawn ones.

    They are of products whose opening stock is given. What is left is the stock from then on. All in one transaction.
    """
    wanted = {"store_id": store_id, "status": "pending", "order_date": {"$gte": since}, "_id": {"$regex": ON_A_DEVICE}}
    with database.client.start_session() as session, session.start_transaction():
        made = [
            one["_id"] for one in database["orders"].find(wanted, session=session).sort([("order_date", 1), ("_id", 1)])
        ]
        baskets: dict[str, dict[str, int]] = {order_id: {} for order_id in made}
        for line in database["order_items"].find({"order_id": {"$in": made}}, session=session):
            basket = baskets[line["order_id"]]
            basket[line["product_id"]] = basket.get(line["product_id"], 0) + line["quantity"]
        confirmed, left = settled(opening, list(baskets.items()))
        for order_id in made:
            status = "completed" if order_id in confirmed else "cancelled"
            database["orders"].update_one(
                {"_id": order_id}, {"$set": {"status": status, "updated_at": now}}, session=session
            )
        for product_id, pieces in left.items():
            database["inventory"].update_one(
                {"store_id": store_id, "product_id": product_id},
                {"$set": {"stock_level": pieces, "last_updated": now}},
                session=session,
            )
    return [order_id for order_id in made if order_id not in confirmed]
