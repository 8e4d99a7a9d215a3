"""Queries are stopped by force, calls are limited, and the reader adds its own stages."""

from __future__ import annotations

import threading
import time
from typing import Any

import pymongo
import pytest
from mcp.server.mcpserver.exceptions import ToolError
from pymongo import MongoClient

from conformance.ditto.permissions import load_permissions
from conformance.model.collection import Model
from mcp_servers.expressions import OPERATORS, size_check
from mcp_servers.query_guard import View, confined_foreign
from mcp_servers.running_queries import kill
from mcp_servers.scoped_reader import Limits, Reader, Shop
from tests.conformance.embedded.processes import eventually
from tests.mcp_servers.shop import SUPER_MANAGER, Document, Mongo

pytest_plugins = ["tests.mcp_servers.shop"]


SLOW = [{"$set": {"a": {"$function": {"body": "function() { sleep(60000) }", "args": [], "lang": "js"}}}}]
EXPENSIVE: list[Any] = [{"$lookup": {"from": "order_items", "pipeline": [], "as": "all"}}, {"$unwind": "$all"}] * 2


def running(shop: Mongo, comment: str) -> int:
    mine = [{"$currentOp": {}}, {"$match": {"command.comment": comment}}]
    return len(list(shop.client.admin.aggregate(mine)))


def test_query_is_stopped_by_its_comment(shop: Mongo) -> None:
    """Another query with another comment continues."""
    ended: list[str] = []

    def ask(comment: str) -> None:
        try:
            list(shop["orders"].aggregate([*EXPENSIVE, {"$group": {"_id": "$all._id"}}], comment=comment))
        except pymongo.errors.OperationFailure as error:
            ended.append(f"{comment}: {error.code}")

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    assert eventually(lambda: running(shop, "first") == running(shop, "second") == 1, 10)
    kill(shop.client, ["first"])
    threads[0].join(10)
    assert ended == ["first: 11601"]
    assert running(shop, "second") == 1
    kill(shop.client, ["second"])
    threads[1].join(10)
    assert len(ended) == 2


def test_query_that_the_server_does_not_stop_is_abandoned(model: Model, shop: Mongo, shop_uri: str) -> None:
    """A loop in one document is such a query: the server does not check the time or a kill there."""
    limits = Limits(max_time_ms=300)
    options = limits.client_options() | {"socketTimeoutMS": 600}
    with MongoClient[Document](shop_uri, **options) as client:
        place = Shop(model, load_permissions(model), client[shop.name], limits)
        reader = Reader(place, place.user(SUPER_MANAGER))
        started = time.monotonic()
        # On a busy machine the server is now and then the first to stop the function.
        with pytest.raises(
            ToolError, match=r"took longer than 0\.3 s and was stopped|JavaScript execution interrupted"
        ):
            reader._run("orders", SLOW, 1)  # private, because the guard rejects such a query
        assert time.monotonic() - started < 5
        assert place.calls.comments == []


def test_calls_in_flight_are_limited_per_caller(model: Model, shop: Mongo) -> None:
    place = Shop(model, load_permissions(model), shop, Limits(calls=2))
    first, second = place.calls.running("a"), place.calls.running("a")
    with first, second:
        with pytest.raises(ToolError, match="2 of your queries are running"), place.calls.running("a"):
            pass
        with place.calls.running("b") as comment:
            assert comment in place.calls.comments
    with place.calls.running("a"):
        assert len(place.calls.comments) == 1


# Stages that the reader adds to a pipeline


def test_size_check_precedes_stages_that_build_from_collected_documents(model: Model) -> None:
    def stages(*pipeline: dict[str, Any]) -> list[str]:
        made = confined_foreign(list(pipeline), "orders", lambda _: View({}))
        return ["check" if stage == size_check() else next(iter(stage)) for stage in made[1:]]

    name = {"$set": {"name": {"$concat": ["$a", "$b"]}}}
    group = {"$group": {"_id": "$a", "all": {"$push": "$b"}}}
    assert stages(name) == ["$set"]
    assert stages(group, {"$set": {"n": {"$size": "$all"}}}, {"$sort": {"n": 1}}) == ["$group", "$set", "$sort"]
    assert stages(group, name) == ["$group", "check", "$set"]
    assert stages(name, name) == ["$set", "check", "$set"]


def test_allowed_operators_only_read() -> None:
    assert not OPERATORS & {"$function", "$accumulator", "$where", "$out", "$merge", "$replaceAll", "$encStrContains"}
