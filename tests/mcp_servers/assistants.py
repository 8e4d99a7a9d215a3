"""Assistants of a clerk and of an analyst, and the documents that their answers are computed from."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.mcp_servers.shop import SUPER_MANAGER, Assistant, Document, Mongo, by_http

MANAGER = ("x-rls-user-id", SUPER_MANAGER)


@pytest.fixture(scope="module")
def clerk(customer_sales: str) -> Assistant:
    """Return a client of customer-sales that may see everything."""
    return by_http(customer_sales, MANAGER)


@pytest.fixture(scope="module")
def analyst(sales_analysis: str) -> Assistant:
    """Return a client of sales-analysis that may see everything."""
    return by_http(sales_analysis, MANAGER)


@pytest.fixture(scope="module")
def all_of(shop: Mongo) -> Mapping[str, list[Document]]:
    """Return every live document, by collection; the tests below do not query the database."""
    return {name: list(shop[name].find({"deleted": False})) for name in shop.list_collection_names()}
