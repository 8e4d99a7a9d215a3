"""The sales-analysis server: what was sold where and when, what runs low, and aggregations of a caller's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from pydantic import BaseModel, Field

from conformance.server.vector_search import Stage
from mcp_servers.arguments import Day, FirstDay, LastDay, MaxRows, StoreId, period
from mcp_servers.clock import get_current_utc_date
from mcp_servers.schema_description import CollectionSchema, describe
from mcp_servers.scoped_reader import Shop

NAME: Final = "sales-analysis"
INSTRUCTIONS: Final = (
    "Analyse the sales of Zava DIY Retail, a MongoDB database. Take a ready-made report where one fits (sales_by_store,"
    " sales_by_month, top_products, low_stock, customer_lifetime_value); otherwise read get_collection_schemas and"
    " write a pipeline for run_aggregation. Cancelled orders are no sales, deleted: true is not there, money is US"
    " dollars, dates are texts (YYYY-MM-DDTHH:MM:SSZ) that sort by time. You see what the signed-in store may see."
)
#: The filter for sold items.
_SOLD: Final[Mapping[str, Any]] = {"status": {"$ne": "cancelled"}, "deleted": False}


class Aggregation(BaseModel):
    """The result of a pipeline."""

    rows: list[dict[str, Any]]
    truncated: bool = Field(description="True when there are more rows than may be given; narrow the question.")


class StoreSales(BaseModel):
    """A store's sales."""

    store_id: str
    store_name: str
    orders: int
    sales: float = Field(description="US dollars, discounts taken off, tax included.")
    average: float = Field(description="Of an order.")


class SalesByStore(BaseModel):
    """Sales of each store, the most first."""

    stores: list[StoreSales]


class MonthSales(BaseModel):
    """A month's sales."""

    month: str = Field(description="YYYY-MM.")
    orders: int
    sales: float = Field(description="US dollars, discounts taken off, tax included.")


class SalesByMonth(BaseModel):
    """Sales of each month that had any, in their order."""

    months: list[MonthSales]


class ProductSales(BaseModel):
    """A product's sales."""

    product_id: str
    product_name: str
    category_id: str | None = Field(None, description="None for a product that is not on sale any more.")
    quantity: int
    sales: float = Field(description="US dollars, discounts taken off, without tax.")


class TopProducts(BaseModel):
    """Products by sales, the most first."""

    products: list[ProductSales]


class LowShelf(BaseModel):
    """A product that a store must reorder."""

    store_id: str
    product_id: str
    product_name: str
    stock_level: int
    reorder_threshold: int
    aisle: str
    shelf: str


class LowStock(BaseModel):
    """Products at or below their threshold, lowest stock first."""

    shelves: list[LowShelf]
    truncated: bool = Field(description="True when there are more than max_rows.")


class CustomerValue(BaseModel):
    """The orders of a customer in numbers."""

    customer_id: str
    customer_name: str
    orders: int
    spent: float = Field(description="US dollars, tax included.")
    average: float = Field(description="Of an order.")
    first_order: str
    last_order: str


class LifetimeValues(BaseModel):
    """Customers by what they spent, the most first."""

    customers: list[CustomerValue]


class SalesAnalysis:
    """The tools, each a method; what they return is what a model reads."""

    def __init__(self, shop: Shop, hints: Mapping[str, list[dict[str, Any]]]) -> None:
        self._shop = shop
        self._hints = hints
        self.tools = (
            self.get_collection_schemas,
            self.run_aggregation,
            self.sales_by_store,
            self.sales_by_month,
            self.top_products,
            self.low_stock,
            self.customer_lifetime_value,
            get_current_utc_date,
        )

    def get_collection_schemas(
        self,
        context: Context[Any, Any],
        collections: Annotated[
            list[str] | None, Field(description="Names of those to describe; without it all, in short.")
        ] = None,
    ) -> list[CollectionSchema]:
        """Describe the collections: fields, types, allowed values, references to others, indexes, example queries.

        Call it without arguments first, then with the names you need, before you write a pipeline.
        """
        self._shop.reader(context)  # raises for a caller who is not known
        return list(describe(self._shop.model, self._hints, collections))

    def run_aggregation(
        self,
        context: Context[Any, Any],
        collection: Annotated[str, Field(max_length=64, description="The collection to start from.")],
        pipeline: Annotated[
            list[dict[str, Any]], Field(description='Stages in order, such as [{"$match": {...}}, {"$group": {...}}].')
        ],
        max_rows: MaxRows = 100,
    ) -> Aggregation:
        """Run a read-only aggregation pipeline, when no other tool gives the answer.

        Match on indexed fields first, and group before you look up. Writing ($out, $merge) and programs ($where,
        $function, $accumulator) are refused, and so are operators that are not known. Rows, time and the elements of a
        loop ($map, $filter, $reduce: 1,000, none inside another) are limited; prefer $unwind and $group to loops.
        """
        found = self._shop.reader(context).foreign_rows(collection, pipeline, max_rows)
        return Aggregation(rows=found.documents, truncated=found.truncated)

    def sales_by_store(
        self, context: Context[Any, Any], start_date: FirstDay = None, end_date: LastDay = None
    ) -> SalesByStore:
        """Report orders, sales and the average order of each store, over all time or a range of days."""
        pipeline: list[Stage] = [
            {"$match": {**_SOLD, **period(start_date, end_date)}},
            {"$group": {"_id": "$store_id", "store_name": {"$last": "$store_name"}, **_totals("sales", "average")}},
            {"$sort": {"sales": -1, "_id": 1}},
            {"$set": {"store_id": "$_id", **_rounded("sales", "average")}},
        ]
        rows = self._shop.reader(context).rows("orders", pipeline, 1_000).documents
        return SalesByStore(stores=[StoreSales(**row) for row in rows])

    def sales_by_month(
        self,
        context: Context[Any, Any],
        start_date: FirstDay = None,
        end_date: LastDay = None,
        store_id: StoreId = None,
    ) -> SalesByMonth:
        """Report orders and sales of each month, of all stores or one, over all time or a range of days."""
        pipeline: list[Stage] = [
            {"$match": {**_SOLD, **period(start_date, end_date), **_store(store_id)}},
            {"$group": {"_id": {"$substrBytes": ["$order_date", 0, 7]}, **_totals("sales", "average")}},
            {"$sort": {"_id": 1}},
            {"$set": {"month": "$_id", **_rounded("sales")}},
        ]
        rows = self._shop.reader(context).rows("orders", pipeline, 1_200).documents
        return SalesByMonth(months=[MonthSales(**row) for row in rows])

    def top_products(
        self,
        context: Context[Any, Any],
        start_date: Annotated[Day, Field(description="First day, YYYY-MM-DD, UTC.")],
        end_date: Annotated[Day, Field(description="Last day, included.")],
        category_id: Annotated[
            str | None, Field(max_length=64, description="Only this, such as cat_power_tools.")
        ] = None,
        store_id: StoreId = None,
        max_rows: Annotated[int, Field(ge=1, le=100, description="At most so many products.")] = 10,
    ) -> TopProducts:
        """Report the best-selling products, by money, of a range of days, which should be a year at most."""
        of_category = [{"$match": {"product.category_id": category_id}}] if category_id else []
        pipeline: list[Stage] = [
            {"$match": {**_SOLD, **period(start_date, end_date), **_store(store_id)}},
            {"$lookup": {"from": "order_items", "localField": "order_id", "foreignField": "order_id", "as": "item"}},
            {"$unwind": "$item"},
            {"$match": {"item.deleted": False}},
            {
                "$group": {
                    "_id": "$item.product_id",
                    "product_name": {"$last": "$item.product_name"},
                    "quantity": {"$sum": "$item.quantity"},
                    "sales": {"$sum": "$item.line_total"},
                }
            },
            {"$lookup": {"from": "products", "localField": "_id", "foreignField": "product_id", "as": "product"}},
            {"$unwind": {"path": "$product", "preserveNullAndEmptyArrays": True}},
            *of_category,
            {"$set": {"product_id": "$_id", "category_id": "$product.category_id", **_rounded("sales")}},
            {"$unset": "product"},
            {"$sort": {"sales": -1, "_id": 1}},
        ]
        rows = self._shop.reader(context).rows("orders", pipeline, max_rows).documents
        return TopProducts(products=[ProductSales(**row) for row in rows])

    def low_stock(self, context: Context[Any, Any], store_id: StoreId = None, max_rows: MaxRows = 50) -> LowStock:
        """List what is at or below its reorder threshold, the emptiest shelf first, with where it lies."""
        low = {"$expr": {"$lte": ["$stock_level", "$reorder_threshold"]}}
        pipeline: list[Stage] = [
            {"$match": {"deleted": False, **_store(store_id), **low}},
            {"$sort": {"stock_level": 1, "store_id": 1, "product_id": 1}},
            {"$limit": max_rows + 1},
            {
                "$lookup": {
                    "from": "products",
                    "localField": "product_id",
                    "foreignField": "product_id",
                    "as": "product",
                }
            },
            {"$set": {"product_name": {"$ifNull": [{"$first": "$product.product_name"}, "$product_id"]}}},
            {"$unset": "product"},
        ]
        found = self._shop.reader(context).rows("inventory", pipeline, max_rows)
        return LowStock(
            shelves=[LowShelf(**row, **row["location"]) for row in found.documents], truncated=found.truncated
        )

    def customer_lifetime_value(
        self,
        context: Context[Any, Any],
        customer_id: Annotated[str | None, Field(max_length=80, description="Only this customer.")] = None,
        max_rows: Annotated[int, Field(ge=1, le=100, description="At most so many customers.")] = 20,
    ) -> LifetimeValues:
        """Report what a customer has spent in all, how often and since when; without an id the best customers."""
        of = {"customer_id": customer_id} if customer_id is not None else {}
        pipeline: list[Stage] = [
            {"$match": {**_SOLD, **of}},
            {
                "$group": {
                    "_id": "$customer_id",
                    "customer_name": {"$last": "$customer_name"},
                    "first_order": {"$min": "$order_date"},
                    "last_order": {"$max": "$order_date"},
                    **_totals("spent", "average"),
                }
            },
            {"$sort": {"spent": -1, "_id": 1}},
            {"$limit": max_rows},
            {"$set": {"customer_id": "$_id", **_rounded("spent", "average")}},
        ]
        rows = self._shop.reader(context).rows("orders", pipeline, max_rows).documents
        return LifetimeValues(customers=[CustomerValue(**row) for row in rows])


def _store(store_id: str | None) -> dict[str, Any]:
    return {"store_id": store_id} if store_id is not None else {}


def _totals(money: str, average: str) -> dict[str, Any]:
    return {"orders": {"$sum": 1}, money: {"$sum": "$total"}, average: {"$avg": "$total"}}


def _rounded(*names: str) -> dict[str, Any]:
    return {name: {"$round": [f"${name}", 2]} for name in names}
