"""The two apps of the stories, as they would run on a device: they see the device's store and nothing else.

Stock is a REGISTER that MongoDB owns, so an app never counts with COUNTERs (docs/CONFLICTS.md). Whoever takes pieces
away takes them in one statement that looks first, so that no two people at one store take the same piece, and none is
taken that the device does not know of. What other devices take meanwhile it cannot know.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.store.observer import Observer
from edge.store.statements import identifier
from edge.store.store import Store

Document = dict[str, Any]

#: The note by which an app orders pieces from the warehouse; the document has no field for it.
ORDERED: Final = "{} pieces ordered from the warehouse"


@dataclass(frozen=True)
class App:
    """Shared parts of both apps: a store, the shop of the user, the queries by name, and a clock."""

    store: Store
    store_id: str
    queries: Mapping[str, str]
    now: Callable[[], str]

    def ask(self, name: str, **arguments: Any) -> list[Document]:
        """Run a query of config/ditto_subscriptions.yaml."""
        return self.store.execute(self.queries[name], {"store_id": self.store_id, **arguments})

    def line(self, product_id: str) -> Document:
        """Return how much there is of a product in the shop, and where it lies."""
        (found,) = self.ask("where_it_lies", product_id=product_id)
        return found

    def set(self, collection: str, _id: Any, fields: Mapping[str, Any]) -> None:
        """Set fields of a document, by their paths, and no other."""
        assignments = ", ".join(f"{path(name)} = :{argument(name)}" for name in fields)
        arguments = {argument(name): value for name, value in fields.items()}
        dql = f"UPDATE {identifier(collection)} SET {assignments} WHERE _id = :_id"  # noqa: S608 - quoted
        assert self.store.mutate(dql, {"_id": _id, **arguments}).ids == [_id]

    def take(self, product_id: str, pieces: int) -> bool:
        """Take pieces from the shelf; False, and nothing is changed, when the device knows of fewer."""
        return bool(
            self.store.mutate(
                "UPDATE inventory SET stock_level = stock_level - :pieces, last_updated = :now"
                " WHERE store_id = :store_id AND product_id = :product_id AND stock_level >= :pieces",
                {"store_id": self.store_id, "product_id": product_id, "pieces": pieces, "now": self.now()},
            ).ids
        )

    def put(self, product_id: str, pieces: int) -> None:
        """Put pieces on the shelf."""
        assert self.store.mutate(
            "UPDATE inventory SET stock_level = stock_level + :pieces, last_updated = :now"
            " WHERE store_id = :store_id AND product_id = :product_id",
            {"store_id": self.store_id, "product_id": product_id, "pieces": pieces, "now": self.now()},
        ).ids


class Worker(App):
    """The app of somebody who works in a store."""

    def find(self, sku: str) -> Document:
        """Return where the product of a scanned label lies."""
        (product,) = self.ask("product_by_sku", sku=sku)
        place: Document = self.line(product["product_id"])["location"]
        return place

    def move(self, product_id: str, place: Mapping[str, str]) -> None:
        """Put a product's pieces elsewhere. Keys that belong together are set together."""
        self.set("inventory", self.line(product_id)["_id"], {f"location.{key}": value for key, value in place.items()})

    def count(self, product_id: str, pieces: int) -> None:
        """Write down what was counted."""
        now = self.now()
        fields = {"stock_level": pieces, "last_counted": now, "last_updated": now}
        self.set("inventory", self.line(product_id)["_id"], fields)

    def watch_low_stock(self, alert: Callable[[list[Document]], None]) -> Observer:
        """Call back with all that is to be reordered, at once and whenever that changes."""
        return self.store.observe(self.queries["low_stock"], alert, {"store_id": self.store_id})

    def order_from_warehouse(self, product_id: str, pieces: int) -> None:
        """Ask the warehouse for pieces, on the line of the product."""
        self.set("inventory", self.line(product_id)["_id"], {"notes": ORDERED.format(pieces)})

    def receive_from_warehouse(self, product_id: str, pieces: int) -> None:
        """Put the pieces on the shelf; the order is done."""
        self.put(product_id, pieces)
        _id = self.line(product_id)["_id"]
        self.store.mutate("UPDATE inventory UNSET notes WHERE _id = :_id", {"_id": _id})

    def send_what_was_ordered(self) -> dict[tuple[str, str], int]:
        """In the warehouse: take what stores ordered and the warehouse has; pieces by store and product."""
        sent = {}
        for line in self.store.execute(
            "SELECT * FROM inventory WHERE notes LIKE :words", {"words": ORDERED.format("%")}
        ):
            pieces = int(line["notes"].split()[0])
            if self.take(line["product_id"], pieces):
                sent[line["store_id"], line["product_id"]] = pieces
        return sent


@dataclass(frozen=True)
class SalesRep(App):
    """The app of somebody who sells.

    ``tablet`` is part of each order's number, so that no two devices draw the same one. ``tax_rates`` are in basis
    points, ``price_factors`` what a product costs by its base price, both by store.
    """

    tablet: int
    tax_rates: Mapping[str, int]
    price_factors: Mapping[str, float]

    def browse(self, category_id: str) -> list[Document]:
        """Return the products of a category."""
        dql = "SELECT * FROM products WHERE category_id = :category_id AND deleted = false ORDER BY product_name"
        return self.store.execute(dql, {"category_id": category_id})

    def edit(self, customer_id: str, **fields: Any) -> None:
        """Change what is known of a customer, and the name in the copies that orders keep of it."""
        self.set("customers", customer_id, fields | {"updated_at": self.now()})
        if fields.keys() & {"first_name", "last_name"}:
            name = self.name(customer_id)
            self.store.mutate(
                "UPDATE orders SET customer_name = :name WHERE customer_id = :customer_id",
                {"name": name, "customer_id": customer_id},
            )

    def name(self, customer_id: str) -> str:
        """Return a customer's name as orders have it."""
        (found,) = self.store.execute("SELECT * FROM customers WHERE _id = :_id", {"_id": customer_id})
        return f"{found['first_name']} {found['last_name']}"

    def order(self, customer_id: str, basket: Mapping[str, int]) -> str | None:
        """Sell pieces by product: take them from the shelves, then write the order; its number.

        None when the device knows of too few of any: what was taken is put back, and there is no order. The order is
        pending: what other devices have sold meanwhile is found when they meet (suites/demo/office.py).
        """
        taken: dict[str, int] = {}
        for product_id, pieces in basket.items():
            if not self.take(product_id, pieces):
                for other, back in taken.items():
                    self.put(other, back)
                return None
            taken[product_id] = pieces
        now = self.now()
        order_id = self._number(now[:10].replace("-", ""))
        items = [self._item(order_id, product_id, pieces, now) for product_id, pieces in basket.items()]
        documents = {"order": [self._order(order_id, customer_id, items, now)], "items": items}
        self.store.write(
            [
                ("INSERT INTO order_items DOCUMENTS (:items)", documents),
                ("INSERT INTO orders DOCUMENTS (:order)", documents),
            ]
        )
        return order_id

    def _number(self, day: str) -> str:
        """Return the day's next number of the tablet's own, also after the app was started anew."""
        mine = f"order_{day}_{self.tablet:03d}"
        drawn = self.store.execute("SELECT order_id FROM orders WHERE order_id LIKE :mine", {"mine": f"{mine}______"})
        return f"{mine}{len(drawn) + 1:06d}"

    def _item(self, order_id: str, product_id: str, pieces: int, now: str) -> Document:
        (product,) = self.store.execute("SELECT * FROM products WHERE _id = :_id", {"_id": product_id})
        cents = (round(product["base_price"] * 100) * round(self.price_factors[self.store_id] * 100) + 50) // 100
        return {
            "_id": str(uuid.uuid4()),
            "order_id": order_id,
            "product_id": product_id,
            "store_id": self.store_id,
            "sku": product["sku"],
            "product_name": product["product_name"],
            "quantity": pieces,
            "unit_price": cents / 100,
            "line_total": cents * pieces / 100,
            "created_at": now,
            "deleted": False,
        }

    def _order(self, order_id: str, customer_id: str, items: list[Document], now: str) -> Document:
        cents = sum(round(item["line_total"] * 100) for item in items)
        tax = (cents * self.tax_rates[self.store_id] + 5_000) // 10_000
        (shop,) = self.store.execute("SELECT * FROM stores WHERE _id = :_id", {"_id": self.store_id})
        return {
            "_id": order_id,
            "order_id": order_id,
            "customer_id": customer_id,
            "customer_name": self.name(customer_id),
            "store_id": self.store_id,
            "store_name": shop["store_name"],
            "order_date": now,
            "item_count": len(items),
            "subtotal": cents / 100,
            "discount_total": 0.0,
            "tax": tax / 100,
            "total": (cents + tax) / 100,
            "status": "pending",
            "created_at": now,
            "updated_at": now,
            "deleted": False,
        }


def path(dotted: str) -> str:
    """Return a path as it stands in DQL."""
    return ".".join(identifier(name) for name in dotted.split("."))


def argument(dotted: str) -> str:
    """Return the name of the argument for a path."""
    return dotted.replace(".", "_")
