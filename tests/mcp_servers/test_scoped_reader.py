"""The reader of a caller: limits of rows, size and time, and callers that are unknown."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from conformance.ditto.permissions import User, load_permissions
from conformance.model.collection import Model
from mcp_servers.query_guard import BARRIER
from mcp_servers.scoped_reader import Limits, Reader, Shop
from tests.mcp_servers.readers import MINE, TRAPS, mine, reader_of
from tests.mcp_servers.shop import SUPER_MANAGER, Mongo, store_of

pytest_plugins = ["tests.mcp_servers.shop"]

__all__ = ["mine"]


def test_rows_are_limited(mine: Reader) -> None:
    assert len(mine.foreign_rows("products", [], 7).documents) == 7
    assert mine.foreign_rows("products", [], 7).truncated
    assert not mine.foreign_rows("categories", [], 9).truncated


class Commands(CommandListener):
    """Record the commands sent to the server."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def started(self, event: Any) -> None:
        self.asked.append(event.command)

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


def test_limits_are_enforced_by_the_server(model: Model, shop: Mongo, shop_uri: str) -> None:
    """Rows beyond the limit are not sent; there is one client with a bounded pool."""
    commands = Commands()
    limits = Limits(pool_size=3, wait_ms=50, max_time_ms=1234)
    with MongoClient(shop_uri, event_listeners=[commands], **limits.client_options()) as client:
        pool = client.options.pool_options
        assert (pool.max_pool_size, pool.wait_queue_timeout) == (3, 0.05)
        place = Shop(model, load_permissions(model), client[shop.name], limits)
        Reader(place, place.user(SUPER_MANAGER)).foreign_rows("products", [{"$match": {"deleted": False}}], 7)
    (asked,) = [command for command in commands.asked if "aggregate" in command]
    assert asked["pipeline"][-1] == {"$limit": 8}
    assert asked["maxTimeMS"] == 1234


def test_large_answer_is_truncated(mine: Reader) -> None:
    pipeline = [{"$lookup": {"from": "products", "pipeline": [], "as": "all"}}]
    found = mine.foreign_rows("products", pipeline, 1_000)
    assert found.truncated
    assert 0 < len(found.documents) < 20


def test_query_time_is_limited(model: Model, shop: Mongo) -> None:
    """The server stops the query, here after a millisecond."""
    hasty = reader_of(model, shop, SUPER_MANAGER, max_time_ms=1)
    pipeline: list[Any] = [{"$lookup": {"from": "order_items", "pipeline": [], "as": "all"}}, {"$unwind": "$all"}] * 2
    pipeline += [{"$group": {"_id": "$all.product_id"}}]  # needs all documents, not the first ten
    with pytest.raises(ToolError, match=r"took longer than 0\.001 s"):
        hasty.foreign_rows("orders", pipeline, 10)


def test_error_in_the_query_of_the_caller_is_reported(mine: Reader) -> None:
    with pytest.raises(ToolError, match=r"the server rejected the query: .*\$divide"):
        mine.foreign_rows("orders", [{"$set": {"a": {"$divide": ["$total", 0]}}}], 10)


def test_plain_conditions_use_indexes(mine: Reader, shop: Mongo) -> None:
    """A condition with comparisons only is merged with the filter, so that indexes are still used."""
    from mcp_servers.query_guard import confined_foreign

    customer = str(shop["customers"].find_one()["customer_id"])  # type: ignore[index]
    merged = confined_foreign([{"$match": {"customer_id": customer}}], "orders", mine.view)
    assert merged[1:] == [BARRIER]
    plan = str(shop.command("explain", {"aggregate": "orders", "pipeline": merged, "cursor": {}}))
    assert "IXSCAN" in plan
    assert "customer_id" in plan


# Unknown users


NOBODY = [
    None, "", " ", "null", "nosuch", "11111111-1111-4111-8111-111111111111", "00000000-0000-0000-0000-00000000000",
    "00000000-0000-0000-0000-000000000000 ", "{00000000-0000-0000-0000-000000000000}", "0" * 32, "*", '{"$ne": null}',
    "' OR 1=1", "\x00", "x" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("user_id", NOBODY)
def test_unknown_user_sees_nothing(model: Model, shop: Mongo, user_id: str | None) -> None:
    reader = reader_of(model, shop, user_id)
    assert reader.user is None
    for collection in model:
        assert reader.foreign_rows(collection.name, [{"$count": "n"}], 10).documents == []
        assert reader.rows(collection.name, [{"$count": "n"}], 10).documents == []
    for _, collection_name, pipeline in TRAPS:
        assert reader.foreign_rows(collection_name, [*pipeline, {"$limit": 1}], 10).documents in ([], [{"a": []}])


def test_user_id_in_another_case_is_unknown(model: Model, shop: Mongo) -> None:
    assert reader_of(model, shop, store_of(shop, MINE).upper()).user is None


def test_user_of_a_deleted_store_sees_nothing(model: Model, shop: Mongo) -> None:
    user_id = store_of(shop, "store_kirkland")
    try:
        shop["stores"].update_one({"_id": "store_kirkland"}, {"$set": {"deleted": True}})
        assert reader_of(model, shop, user_id).user is None
    finally:
        shop["stores"].update_one({"_id": "store_kirkland"}, {"$set": {"deleted": False}})
    assert reader_of(model, shop, user_id).user == User(user_id, {"store_id": "store_kirkland"})


def test_super_manager_sees_everything_except_vectors(model: Model, shop: Mongo) -> None:
    manager = reader_of(model, shop, SUPER_MANAGER)
    for collection in model:
        found = manager.foreign_rows(collection.name, [{"$count": "n"}], 10).documents
        assert found == ([{"n": shop[collection.name].count_documents({})}] if collection.synced else [])
    assert manager.foreign_rows("stores", [{"$match": {"rls_user_id": {"$exists": True}}}], 10).documents
