"""Documents of the shop, selected and grouped in Python, from which the expected results are computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from tests.validation import ROOT

Document = dict[str, Any]


Rows = list[Document]
EXAMPLES: Final = ROOT / "examples"


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


def _order_with_items(every: Mapping[str, Rows], order_id: str) -> Rows:
    (order,) = [one for one in every["orders"] if one["order_id"] == order_id]
    return [{**order, "items": [one for one in every["order_items"] if one["order_id"] == order_id]}]


def _customer_history(every: Mapping[str, Rows], customer_id: str) -> Rows:
    return sorted(live(every["orders"], customer_id=customer_id), key=lambda one: one["order_date"], reverse=True)[:20]


def _store_inventory(every: Mapping[str, Rows], store_id: str) -> Rows:
    return sorted(live(every["inventory"], store_id=store_id), key=lambda one: one["product_id"])


def _low_stock(every: Mapping[str, Rows], store_id: str) -> Rows:
    return sorted(low(live(every["inventory"], store_id=store_id)), key=lambda one: one["stock_level"])


def _aisle(every: Mapping[str, Rows], store_id: str, aisle: str) -> Rows:
    return [one for one in live(every["inventory"], store_id=store_id) if one["location"]["aisle"] == aisle]


def _sales_by_date(every: Mapping[str, Rows], first: str, last: str) -> Rows:
    days = grouped(sold(every, first, last), lambda one: one["order_date"][:10])
    return [{"_id": day, "orders": len(orders), "sales": money(orders)} for day, orders in days.items()]


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
