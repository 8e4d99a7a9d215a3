"""The customer-sales server: finding products, where they lie in the stores, and what a customer has ordered."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from conformance.errors import HarnessError
from conformance.server.vector_search import SIMILARITY, Stage
from generator.embeddings.vectors import Vectors
from mcp_servers.clock import get_current_utc_date
from mcp_servers.scoped_reader import Shop

NAME: Final = "customer-sales"
INSTRUCTIONS: Final = (
    "Help a shopper of Zava DIY Retail: find products by name (get_products_by_name) or by what they are for"
    " (semantic_search_products), say in which stores and on which shelf they are (get_product_availability), and what"
    " a customer has ordered (get_customer_orders). Prices are US dollars. You see what the signed-in store may see;"
    " an empty answer means that there is nothing, or nothing that may be seen."
)

ProductId = Annotated[str, Field(max_length=80, description="The product's key, such as prod_pt-dr-0001.")]


class Product(BaseModel):
    """A product on sale."""

    product_id: str
    sku: str
    product_name: str
    category_id: str
    type_id: str
    base_price: float = Field(description="US dollars; a store's own price may differ by some per cent.")
    product_description: str
    image_url: str | None = None


class Likeness(Product):
    """A product, and how near its description is to what was asked."""

    similarity: float = Field(description="Cosine of the meanings, from -1 to 1; above 0.4 is a close match.")


class Products(BaseModel):
    """Products whose name holds the words."""

    products: list[Product]
    truncated: bool = Field(description="True when there are more than max_rows.")


class Likenesses(BaseModel):
    """Products by likeness, the nearest first."""

    products: list[Likeness]


class Stock(BaseModel):
    """The stock of a product in a store, and its location."""

    store_id: str
    store_name: str
    stock_level: int = Field(description="Pieces on hand.")
    aisle: str
    shelf: str
    bin: str | None = None


class Availability(BaseModel):
    """A product's stock in the stores that may be seen, the most first."""

    product_id: str
    stores: list[Stock]


class Line(BaseModel):
    """A line of an order."""

    product_id: str
    product_name: str
    quantity: int
    unit_price: float
    discount_percent: float = 0
    line_total: float


class Order(BaseModel):
    """An order with its lines."""

    order_id: str
    order_date: str = Field(description="UTC, YYYY-MM-DDTHH:MM:SSZ.")
    store_id: str
    store_name: str
    status: str
    subtotal: float
    discount_total: float
    tax: float
    total: float
    items: list[Line]


class Orders(BaseModel):
    """A customer's orders, the newest first."""

    customer_id: str
    orders: list[Order]
    truncated: bool = Field(description="True when there are older ones too.")


class CustomerSales:
    """The tools, each a method; what they return is what a model reads."""

    def __init__(self, shop: Shop, vectors: Vectors) -> None:
        self._shop = shop
        self._vectors = vectors
        self.tools = (
            self.get_products_by_name,
            self.semantic_search_products,
            self.get_product_availability,
            self.get_customer_orders,
            get_current_utc_date,
        )

    def get_products_by_name(
        self,
        context: Context[Any, Any],
        product_name: Annotated[
            str, Field(min_length=1, max_length=200, description="Words of the name, in any order: 'cordless drill'.")
        ],
        max_rows: Annotated[int, Field(ge=1, le=100, description="At most so many products.")] = 20,
    ) -> Products:
        """Find products whose name holds every one of the words, or parts of words, in upper or lower case.

        Use it when the shopper names the product; for what it should do or be, use semantic_search_products.
        """
        words = [{"product_name": {"$regex": re.escape(word), "$options": "i"}} for word in product_name.split()]
        if not words:
            raise ToolError("product_name is blank: give a word of the name")
        pipeline: list[Stage] = [
            {"$match": {"deleted": False, "$and": words}},
            {"$sort": {"product_name": 1, "product_id": 1}},
        ]
        found = self._shop.reader(context).rows("products", pipeline, max_rows)
        return Products(products=[Product(**row) for row in found.documents], truncated=found.truncated)

    def semantic_search_products(
        self,
        context: Context[Any, Any],
        query_description: Annotated[
            str,
            Field(min_length=1, max_length=2000, description="What the shopper wants: 'something to water the lawn'."),
        ],
        max_rows: Annotated[int, Field(ge=1, le=100, description="At most so many products.")] = 10,
        similarity_threshold: Annotated[
            float, Field(ge=-1, le=1, description="Leave out what is less alike; 0.4 is strict, 0.1 is lenient.")
        ] = 0.1,
    ) -> Likenesses:
        """Find products by meaning: what they are for, what problem they solve, what they are like.

        Use it when the shopper describes a need instead of naming a product. The nearest come first.
        """
        reader = self._shop.reader(context)
        try:
            stages = self._vectors.nearest(query_description)
        except (HarnessError, ValueError) as error:
            raise ToolError(str(error)) from error
        pipeline: list[Stage] = [
            {"$match": {SIMILARITY: {"$gte": similarity_threshold}}},
            {
                "$lookup": {
                    "from": "products",
                    "localField": "product_id",
                    "foreignField": "product_id",
                    "as": "product",
                }
            },
            {"$match": {"product.deleted": False}},
            {"$replaceWith": {"$mergeObjects": [{"$first": "$product"}, {SIMILARITY: f"${SIMILARITY}"}]}},
        ]
        found = reader.rows_after("product_embeddings", stages, pipeline, max_rows)
        return Likenesses(products=[Likeness(**row) for row in found.documents])

    def get_product_availability(self, context: Context[Any, Any], product_id: ProductId) -> Availability:
        """Say which stores have a product, how many pieces, and in which aisle and on which shelf they lie.

        Get the product_id from get_products_by_name or semantic_search_products.
        """
        pipeline: list[Stage] = [
            {"$match": {"product_id": product_id, "deleted": False}},
            {"$lookup": {"from": "stores", "localField": "store_id", "foreignField": "store_id", "as": "store"}},
            {"$unwind": "$store"},
            {"$match": {"store.deleted": False}},
            {"$set": {"store_name": "$store.store_name"}},
            {"$sort": {"stock_level": -1, "store_id": 1}},
        ]
        rows = self._shop.reader(context).rows("inventory", pipeline, 1_000).documents
        return Availability(product_id=product_id, stores=[Stock(**row, **row["location"]) for row in rows])

    def get_customer_orders(
        self,
        context: Context[Any, Any],
        customer_id: Annotated[str, Field(max_length=80, description="The customer's key, such as cust_0000001.")],
        max_rows: Annotated[int, Field(ge=1, le=100, description="At most so many orders.")] = 20,
    ) -> Orders:
        """Give a customer's orders with their lines, the newest first; cancelled ones have that status."""
        pipeline: list[Stage] = [
            {"$match": {"customer_id": customer_id, "deleted": False}},
            {"$sort": {"order_date": -1, "order_id": 1}},
            {"$limit": max_rows + 1},
            {"$lookup": {"from": "order_items", "localField": "order_id", "foreignField": "order_id", "as": "items"}},
        ]
        found = self._shop.reader(context).rows("orders", pipeline, max_rows)
        return Orders(
            customer_id=customer_id,
            orders=[Order(**{**row, "items": _lines(row["items"])}) for row in found.documents],
            truncated=found.truncated,
        )


def _lines(items: list[dict[str, Any]]) -> list[Line]:
    live = sorted((item for item in items if not item["deleted"]), key=lambda item: (item["product_id"], item["_id"]))
    return [Line(**item) for item in live]
