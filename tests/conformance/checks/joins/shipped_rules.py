"""Rules of the shipped model that the tests of joins run, and what they compare of an outcome."""

from __future__ import annotations

from typing import Any

from conformance.results import Outcome

Document = dict[str, Any]

ORDER = "references.order_items.order_id"


EMAIL = "snapshots.orders.customer_email"
COUNT = "totals.orders.item_count"


PRICE = "business.order_items.unit_price+product_id"


def numbered(*documents: Document) -> list[Document]:
    return [{"_id": number, **document} for number, document in enumerate(documents)]


def samples_of(outcome: Outcome) -> list[tuple[Any, str]]:
    return [(sample.id, sample.why) for sample in outcome.samples]


def order(key: str, **fields: Any) -> Document:
    return {"order_id": key, **fields}


def line(key: str, quantity: Any = 1, unit_price: Any = 1.1, **fields: Any) -> Document:
    return {"order_id": key, "quantity": quantity, "unit_price": unit_price, **fields}
