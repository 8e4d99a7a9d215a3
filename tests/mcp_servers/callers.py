"""Callers of the servers over HTTP and stdio, and the counts that they should see."""

from __future__ import annotations

from tests.mcp_servers.shop import (
    Document,
    Mongo,
)

HEADER = "x-rls-user-id"
STORE = "store_tacoma"
COUNT = {
    "collection": "orders",
    "pipeline": [{"$group": {"_id": "$store_id", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}],
}
UNKNOWN = "11111111-1111-4111-8111-111111111111"


def counts(shop: Mongo, *stores: str) -> list[Document]:
    """Return the expected result of `COUNT` for a user of these stores."""
    names = stores or tuple(shop["orders"].distinct("store_id"))
    return [{"_id": name, "n": shop["orders"].count_documents({"store_id": name})} for name in sorted(names)]
