"""No pipeline of a caller shows documents of other stores, writes, or runs code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from conformance.ditto.permissions import User, load_permissions
from conformance.model.collection import Model
from mcp_servers.query_guard import BARRIER, FORBIDDEN, STAGES
from mcp_servers.scoped_reader import Limits, Reader, Shop
from tests.mcp_servers.shop import SUPER_MANAGER, Mongo, store_of

pytest_plugins = ["tests.mcp_servers.shop"]

MINE, OTHER = "store_tacoma", "store_seattle"
STORE_SCOPED = {
    "inventory": "store_id",
    "orders": "store_id",
    "order_items": "store_id",
    "customers": "primary_store_id",
}


def reader_of(model: Model, shop: Mongo, user_id: str | None, **limits: int) -> Reader:
    place = Shop(model, load_permissions(model), shop, Limits(**limits))
    return Reader(place, place.user(user_id))


@pytest.fixture(scope="module")
def mine(model: Model, shop: Mongo) -> Reader:
    """The reader of the user of one store."""
    return reader_of(model, shop, store_of(shop, MINE))


@pytest.fixture(scope="module")
def foreign(shop: Mongo) -> set[Any]:
    """Return the ids of all documents of other stores."""
    hidden: set[Any] = set()
    for name, field in STORE_SCOPED.items():
        hidden |= {str(one["_id"]) for one in shop[name].find({field: {"$ne": MINE}}, {"_id": 1})}
    hidden |= {one["rls_user_id"] for one in shop["stores"].find()}
    return hidden


def values(part: Any) -> Iterator[Any]:
    """Yield every value in a document, at any depth."""
    if isinstance(part, dict):
        for inner in part.values():
            yield from values(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from values(inner)
    else:
        yield part


ALL = {"$match": {}}
WIDE = {"$match": {"$or": [{}, {"store_id": OTHER}, {"store_id": {"$exists": True}}]}}
#: Fails on a document of another store, if it is ever asked about one.
TRAP = {"$cond": [{"$eq": ["$store_id", MINE]}, True, {"$toInt": "$store_id"}]}
JOIN = {"localField": "product_id", "foreignField": "product_id", "as": "found"}

HOSTILE: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("everything", "orders", [ALL]),
    ("a condition that is wider", "orders", [WIDE]),
    ("no condition", "inventory", []),
    ("the other store by name", "orders", [{"$match": {"store_id": OTHER}}]),
    ("what is deleted", "products", [{"$match": {"deleted": {"$in": [True, False]}}}]),
    ("the store renamed first", "orders", [{"$set": {"store_id": OTHER}}, {"$match": {"store_id": OTHER}}]),
    ("text search", "products", [{"$match": {"$text": {"$search": "hose"}}}]),
    ("whole documents", "stores", [{"$project": {"all": "$$ROOT", "pairs": {"$objectToArray": "$$ROOT"}}}]),
    ("whole documents by $group", "stores", [{"$group": {"_id": "$$ROOT", "all": {"$push": "$$CURRENT"}}}]),
    ("whole documents by $getField", "stores",
     [{"$set": {"a": {"$getField": {"field": "location", "input": "$$ROOT"}}}}]),
    ("users' ids by $unionWith", "orders", [{"$unionWith": "stores"}, {"$sort": {"a": 1}}]),
    ("users' ids by $facet", "orders", [{"$facet": {"a": [{"$unionWith": {"coll": "stores"}}]}}]),
    ("users' ids by a copy", "orders", [{"$limit": 1}, {"$lookup": {"from": "stores", "pipeline": [], "as": "s"}},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$$ROOT", {"$first": "$s"}]}}}]),
    ("users' ids by $lookup", "orders", [{"$lookup": {"from": "stores", "pipeline": [], "as": "stores"}}]),
    ("$lookup by field", "inventory", [{"$lookup": {"from": "inventory", **JOIN}}]),
    ("$lookup by field and pipeline", "inventory", [{"$lookup": {"from": "inventory", **JOIN, "pipeline": [WIDE]}}]),
    ("$lookup of all", "stores", [{"$lookup": {"from": "orders", "pipeline": [ALL], "as": "found"}}]),
    ("$lookup by let", "stores", [{"$lookup": {
        "from": "orders", "let": {"store": "$store_id"}, "as": "found",
        "pipeline": [{"$match": {"$expr": {"$eq": ["$store_id", "$$store"]}}}]}}]),
    ("$lookup in $lookup in $lookup", "stores", [{"$lookup": {"from": "products", "as": "a", "pipeline": [
        {"$limit": 2}, {"$lookup": {"from": "stores", "as": "b", "pipeline": [
            {"$lookup": {"from": "orders", "pipeline": [], "as": "c"}}]}}]}}]),
    ("$unionWith by name", "categories", [{"$unionWith": "orders"}]),
    ("$unionWith a pipeline", "categories", [{"$unionWith": {"coll": "orders", "pipeline": [WIDE]}}]),
    ("$unionWith in $unionWith", "categories", [{"$unionWith": {"coll": "categories", "pipeline": [
        {"$unionWith": {"coll": "customers", "pipeline": [{"$unionWith": "inventory"}]}}]}}]),
    ("$unionWith, then narrowed to the other", "categories",
     [{"$unionWith": "orders"}, {"$match": {"store_id": OTHER}}]),
    ("$facet", "categories", [{"$facet": {"a": [{"$unionWith": "orders"}], "b": [{"$lookup": {
        "from": "inventory", "pipeline": [], "as": "found"}}]}}]),
    ("$facet with a union in a lookup", "stores", [{"$facet": {"a": [{"$lookup": {"from": "stores", "as": "found",
        "pipeline": [{"$unionWith": "order_items"}]}}]}}]),
    ("$graphLookup", "products", [{"$limit": 5}, {"$graphLookup": {"from": "inventory", "startWith": "$product_id",
        "connectFromField": "product_id", "connectToField": "product_id", "as": "found"}}]),
    ("$graphLookup over stores", "orders", [{"$limit": 3}, {"$graphLookup": {
        "from": "order_items", "startWith": "$store_id", "connectFromField": "product_id",
        "connectToField": "product_id", "maxDepth": 3, "as": "found"}}]),
    ("$graphLookup, restricted to more", "products", [{"$graphLookup": {"from": "inventory", "startWith": "$product_id",
        "connectFromField": "product_id", "connectToField": "product_id", "as": "found",
        "restrictSearchWithMatch": {"$or": [{"store_id": OTHER}, {"store_id": {"$exists": True}}]}}}]),
    ("embeddings", "product_embeddings", [{"$limit": 1}]),
    ("embeddings by $lookup", "products", [{"$limit": 1}, {"$lookup": {"from": "product_embeddings", **JOIN}}]),
]  # fmt: skip


@pytest.mark.parametrize(("collection", "pipeline"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_pipeline_shows_no_data_of_other_stores(
    mine: Reader,
    foreign: set[Any],
    monkeypatch: pytest.MonkeyPatch,
    collection: str,
    pipeline: list[dict[str, Any]],
) -> None:
    monkeypatch.setattr(
        "mcp_servers.scoped_reader._MAX_CHARACTERS", 10**9
    )  # an answer that is cut would hide what leaks
    rows = mine.foreign_rows(collection, pipeline, 5_000).documents
    assert not {value for value in values(rows) if value in foreign}
    assert "description_embedding" not in str(rows)


@pytest.mark.parametrize(("collection", "field"), STORE_SCOPED.items())
def test_pipeline_shows_all_data_of_the_own_store(mine: Reader, shop: Mongo, collection: str, field: str) -> None:
    """Otherwise the tests above would pass because nothing is visible."""
    found = mine.foreign_rows(collection, [{"$group": {"_id": f"${field}", "n": {"$sum": 1}}}], 100).documents
    number = shop[collection].count_documents({field: MINE})
    assert found == [{"_id": MINE, "n": number}]
    assert 0 < number < shop[collection].count_documents({})


#: Conditions that fail on documents of other stores; the server must not be asked about any, wherever it moves them.
TRAPS: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("at once", "orders", [{"$match": {"$expr": TRAP}}]),
    ("with an index to tempt", "orders", [{"$match": {"customer_id": {"$gte": ""}, "$expr": TRAP}}]),
    ("after a projection", "orders", [{"$project": {"store_id": 1}}, {"$match": {"$expr": TRAP}}]),
    ("in $set", "inventory", [{"$set": {"trap": TRAP}}]),
    ("in $group", "inventory", [{"$group": {"_id": TRAP}}]),
    ("in a sort", "inventory", [{"$set": {"trap": TRAP}}, {"$sort": {"trap": 1}}, {"$limit": 1}]),
    ("in $lookup", "products", [{"$lookup": {"from": "inventory", **JOIN, "pipeline": [{"$match": {"$expr": TRAP}}]}}]),
    ("after $lookup and $unwind", "products", [
        {"$lookup": {"from": "inventory", **JOIN}}, {"$unwind": "$found"}, {"$replaceRoot": {"newRoot": "$found"}},
        {"$match": {"$expr": TRAP}}]),
    ("after $lookup and $unwind, by path", "products", [
        {"$lookup": {"from": "inventory", **JOIN}}, {"$unwind": "$found"},
        {"$match": {"$expr": {"$cond": [{"$eq": ["$found.store_id", MINE]}, True, {"$toInt": "$found.store_id"}]}}}]),
    ("after $unionWith", "inventory", [{"$unionWith": "orders"}, {"$match": {"$expr": TRAP}}]),
    ("in $facet", "orders", [{"$facet": {"a": [{"$match": {"$expr": TRAP}}]}}]),
]  # fmt: skip


@pytest.mark.parametrize(("collection", "pipeline"), [case[1:] for case in TRAPS], ids=[case[0] for case in TRAPS])
def test_errors_contain_no_data_of_other_stores(mine: Reader, collection: str, pipeline: list[dict[str, Any]]) -> None:
    assert mine.foreign_rows(collection, pipeline, 1_000).documents


def test_leaking_pipelines_leak_without_the_guard(model: Model, shop: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may see other stores runs into their errors; without the barrier the server reorders conditions."""
    manager = reader_of(model, shop, SUPER_MANAGER)
    for _, collection, pipeline in TRAPS:
        with pytest.raises(ToolError, match="the server rejected the query"):
            manager.foreign_rows(collection, pipeline, 1_000)
    monkeypatch.setattr("mcp_servers.query_guard.BARRIER", {"$skip": 0})
    fallen = 0
    for _, collection, pipeline in TRAPS:
        try:
            reader_of(model, shop, store_of(shop, MINE)).foreign_rows(collection, pipeline, 1_000)
        except ToolError:
            fallen += 1
    assert fallen


ONE = [{"$match": {"deleted": False}}]
REFUSED: list[tuple[str, str, Any, str]] = [
    ("$out", "orders", [{"$out": "stolen"}], "$out is not allowed"),
    ("$merge", "orders", [*ONE, {"$merge": {"into": "orders"}}], "$merge is not allowed"),
    ("$merge in a lookup", "orders", [{"$lookup": {"from": "orders", "pipeline": [{"$merge": "x"}]}}], "$merge"),
    ("$out in a facet", "orders", [{"$facet": {"a": [{"$out": "x"}]}}], "$out"),
    ("$out in a union", "orders", [{"$unionWith": {"coll": "orders", "pipeline": [{"$out": "x"}]}}], "$out"),
    ("$where", "orders", [{"$match": {"$where": "true"}}], "$where is not allowed"),
    ("$where, deep", "orders", [{"$match": {"$or": [{"$nor": [{"$where": "true"}]}]}}], "$where is not allowed"),
    ("$function", "orders", [{"$set": {"a": {"$function": {"body": "f", "args": [], "lang": "js"}}}}], "$function"),
    ("$accumulator", "orders", [{"$group": {"_id": 1, "a": {"$accumulator": {"init": "f"}}}}], "$accumulator"),
    ("$function in a graph's start", "orders", [{"$graphLookup": {"startWith": {"$function": {}}}}], "$function"),
    ("the database's users", "orders", [{"$set": {"a": "$$USER_ROLES"}}], "$$USER_ROLES is not allowed"),
    ("the database's users, by path", "orders", [{"$set": {"a": "$$USER_ROLES.role"}}], "is not allowed"),
    ("internals", "orders", [{"$match": {"$_internalSchemaType": 1}}], "$_internalSchemaType is not allowed"),
    ("counts of all", "orders", [{"$collStats": {"count": {}}}], "the stage $collStats is not allowed"),
    ("indexes", "orders", [{"$indexStats": {}}], "$indexStats is not allowed"),
    ("queries of others", "orders", [{"$planCacheStats": {}}], "$planCacheStats is not allowed"),
    ("operations of others", "orders", [{"$currentOp": {}}], "$currentOp is not allowed"),
    ("sessions", "orders", [{"$listSessions": {}}], "$listSessions is not allowed"),
    ("documents from nowhere", "orders", [{"$documents": []}], "$documents is not allowed"),
    ("vectors", "product_embeddings", [{"$vectorSearch": {}}], "$vectorSearch is not allowed"),
    ("changes", "orders", [{"$changeStream": {}}], "$changeStream is not allowed"),
    ("endless documents", "orders", [{"$densify": {}}], "$densify is not allowed"),
    ("a collection of the server's", "system.users", [], "there is no collection 'system.users'"),
    ("a collection that is none", "nosuch", [], "there is no collection 'nosuch'"),
    ("no collection", "", [], "there is no collection ''"),
    ("$lookup in another database", "orders", [{"$lookup": {"from": {"db": "admin", "coll": "x"}, "as": "a"}}],
     "there is no collection"),
    ("$lookup without a collection", "orders", [{"$lookup": {"pipeline": [], "as": "a"}}], "$lookup needs from"),
    ("$lookup of a server's own", "orders", [{"$lookup": {"from": "system.profile", "as": "a"}}], "no collection"),
    ("$unionWith without a collection", "orders", [{"$unionWith": {"pipeline": []}}], "$unionWith needs coll"),
    ("$unionWith of nothing", "orders", [{"$unionWith": 1}], "$unionWith needs coll"),
    ("$graphLookup without a collection", "orders", [{"$graphLookup": {"startWith": 1}}], "there is no collection"),
    ("$graphLookup of nothing", "orders", [{"$graphLookup": []}], "$graphLookup needs from"),
    ("$graphLookup with an expression", "orders",
     [{"$graphLookup": {"from": "orders", "restrictSearchWithMatch": {"$expr": TRAP}}}], "may only compare"),
    ("$facet of nothing", "orders", [{"$facet": []}], "$facet needs"),
    ("two stages in one", "orders", [{"$match": {}, "$limit": 1}], "an object with one key"),
    ("an empty stage", "orders", [{}], "an object with one key"),
    ("a stage that is text", "orders", ["$match"], "a pipeline is a list"),
    ("no list", "orders", {"$match": {}}, "a pipeline is a list"),
    ("a lookup's pipeline that is none", "orders", [{"$lookup": {"from": "orders", "pipeline": "x", "as": "a"}}],
     "a pipeline is a list"),
    ("too many stages", "orders", [{"$match": {}}] * 51, "has 51 stages"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[case[0] for case in REFUSED])
@pytest.mark.parametrize("who", ["mine", "manager"])
def test_disallowed_pipeline_is_rejected(model: Model, shop: Mongo, case: tuple[str, str, Any, str], who: str) -> None:
    """The super manager may see everything, but write nothing either."""
    reader = reader_of(model, shop, SUPER_MANAGER if who == "manager" else store_of(shop, MINE))
    with pytest.raises(ToolError) as refused:
        reader.foreign_rows(case[1], case[2], 10)
    assert case[3] in str(refused.value)
    assert len(str(refused.value)) < 400


GRAPH = {"connectFromField": "store_id", "connectToField": "store_id", "startWith": "$store_id", "as": "found"}
SECRET = "rls_user_id"
PROBED = {"from": "stores", "localField": "guess", "as": "found"}
#: Ways to ask about users' ids: not to be shown, not to be compared with, and not to be ordered by.
ORACLES: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("foreignField", "orders", [{"$set": {"guess": "1"}}, {"$lookup": {**PROBED, "foreignField": SECRET}}]),
    ("foreignField with a pipeline", "orders", [{"$lookup": {**PROBED, "foreignField": SECRET, "pipeline": []}}]),
    ("foreignField, deep", "orders", [{"$facet": {"a": [{"$unionWith": {"coll": "orders", "pipeline": [
        {"$lookup": {**PROBED, "foreignField": f"{SECRET}.0"}}]}}]}}]),
    ("localField", "stores", [{"$lookup": {"from": "stores", "localField": SECRET, "foreignField": "_id", "as": "a"}}]),
    ("connectToField", "orders", [{"$graphLookup": {"from": "orders", **GRAPH, "connectToField": SECRET}}]),
    ("let", "stores", [{"$lookup": {"from": "stores", "let": {"a": f"${SECRET}"}, "pipeline": [], "as": "a"}}]),
    ("$match", "stores", [{"$match": {SECRET: {"$gte": "5"}}}]),
    ("$match, deep", "stores", [{"$match": {"$nor": [{"$and": [{SECRET: None}]}]}}]),
    ("$expr", "stores", [{"$match": {"$expr": {"$gt": [f"${SECRET}", "5"]}}}]),
    ("the document's path", "stores", [{"$set": {"a": f"$$ROOT.{SECRET}"}}]),
    ("the current document's path", "stores", [{"$set": {"a": f"$$CURRENT.{SECRET}"}}]),
    ("$getField", "stores", [{"$set": {"a": {"$getField": SECRET}}}]),
    ("$getField of all", "stores", [{"$set": {"a": {"$getField": {"field": SECRET, "input": "$$ROOT"}}}}]),
    ("$getField of a literal", "stores", [{"$set": {"a": {"$getField": {"$literal": SECRET}}}}]),
    ("$project", "stores", [{"$project": {SECRET: 1}}]),
    ("$project by another name", "stores", [{"$project": {"a": f"${SECRET}"}}]),
    ("$sort", "stores", [{"$sort": {SECRET: 1}}, {"$limit": 1}]),
    ("$group", "stores", [{"$group": {"_id": f"${SECRET}"}}]),
    ("$group's least", "stores", [{"$group": {"_id": 1, "a": {"$min": f"${SECRET}"}}}]),
    ("$topN", "stores", [{"$group": {"_id": 1, "a": {"$topN": {"n": 1, "sortBy": {SECRET: 1}, "output": "$_id"}}}}]),
    ("$sortByCount", "stores", [{"$sortByCount": f"${SECRET}"}]),
    ("$bucket", "stores", [{"$bucket": {"groupBy": f"${SECRET}", "boundaries": ["0", "8", "g"]}}]),
    ("$setWindowFields", "stores", [{"$setWindowFields": {"sortBy": {SECRET: 1}, "output": {"a": {"$rank": {}}}}}]),
    ("$unwind", "stores", [{"$unwind": f"${SECRET}"}]),
    ("$unset", "stores", [{"$unset": SECRET}]),
    ("a field that shadows it", "stores", [{"$set": {SECRET: "1"}}]),
    ("a lookup that shadows it", "orders", [{"$lookup": {"from": "stores", "pipeline": [], "as": SECRET}}]),
    ("in a looked-up list", "orders", [{"$lookup": {"from": "stores", "pipeline": [], "as": "s"}},
                                       {"$set": {"a": f"$s.{SECRET}"}}]),
]  # fmt: skip


@pytest.mark.parametrize(("collection", "pipeline"), [case[1:] for case in ORACLES], ids=[case[0] for case in ORACLES])
def test_user_ids_cannot_be_probed(mine: Reader, collection: str, pipeline: list[dict[str, Any]]) -> None:
    with pytest.raises(ToolError, match=f"the field {SECRET} is not visible"):
        mine.foreign_rows(collection, pipeline, 10)


def test_graph_lookup_does_not_reach_users(mine: Reader) -> None:
    with pytest.raises(ToolError, match="cannot read stores"):
        mine.foreign_rows("orders", [{"$graphLookup": {"from": "stores", **GRAPH}}], 10)


def test_super_manager_may_query_user_ids(model: Model, shop: Mongo) -> None:
    manager = reader_of(model, shop, SUPER_MANAGER)
    assert len(manager.foreign_rows("stores", [{"$sortByCount": f"${SECRET}"}], 10).documents) == 8


#: Parts that no stage has: what is not understood is not passed on.
UNKNOWN: list[tuple[str, list[dict[str, Any]], str]] = [
    ("a key of $lookup", [{"$lookup": {"from": "stores", "as": "a", "pipeline": [], "x": 1}}], "does not take x"),
    ("a path for foreignField", [{"$lookup": {"from": "stores", "foreignField": "$a", "as": "a"}}], "without \\$"),
    ("an object for as", [{"$lookup": {"from": "stores", "as": {"a": 1}, "pipeline": []}}], "as must be the name"),
    ("a key of $unionWith", [{"$unionWith": {"coll": "stores", "db": "admin"}}], "does not take db"),
    ("a key of $graphLookup", [{"$graphLookup": {"from": "orders", **GRAPH, "filter": {}}}], "does not take filter"),
    ("a key of $bucket", [{"$bucket": {"groupBy": 1, "boundaries": [1], "x": 1}}], "does not take x"),
    ("a key of $replaceRoot", [{"$replaceRoot": {"newRoot": "$$ROOT", "x": 1}}], "does not take x"),
    ("a key of $unwind", [{"$unwind": {"path": "$a", "x": 1}}], "does not take x"),
    ("an expression in $unwind", [{"$unwind": {"path": {"$add": [1]}}}], "\\$add is not allowed"),
    ("an expression in $limit", [{"$limit": {"$add": [1]}}], "does not take \\$add"),
    ("an expression in $sort", [{"$sort": {"a": {"$meta": "x"}}}], "takes 1 or -1"),
    ("an accumulator that is none", [{"$group": {"_id": 1, "a": {"$add": [1]}}}], "needs one accumulator"),
    ("two accumulators", [{"$group": {"_id": 1, "a": {"$sum": 1, "$max": 1}}}], "needs one accumulator"),
    ("a window's expression",
     [{"$setWindowFields": {"output": {"a": {"$sum": 1, "window": {"range": [{"$add": [1]}, 1]}}}}}],
     "\\$add is not allowed"),
    ("$group without _id", [{"$group": {"n": {"$sum": 1}}}], "needs _id"),
    ("$jsonSchema", [{"$match": {"$jsonSchema": {}}}], "\\$jsonSchema is not allowed in a condition"),
    ("$comment", [{"$match": {"$comment": "a"}}], "\\$comment is not allowed"),
    ("a place on earth", [{"$match": {"location": {"$near": {}}}}], "\\$near is not allowed"),
    ("an operator in $in", [{"$match": {"a": {"$in": [{"$regex": "a"}]}}}], "\\$regex is not allowed"),
    ("an operator in $eq", [{"$match": {"a": {"$eq": {"b": {"$gt": 1}}}}}], "\\$gt is not allowed"),
    ("an empty $or", [{"$match": {"$or": []}}], "needs a list of conditions"),
    ("a condition that is none", [{"$match": "a"}], "a condition is an object"),
    ("$text with more", [{"$match": {"$text": {"$search": "a", "$x": 1}}}], "\\$text allows"),
    ("a name with $", [{"$set": {"$a": 1}}], "is not the name of a field"),
    ("a long text", [{"$match": {"a": "x" * 2_001}}], "more than 2000 characters"),
    ("many parts", [{"$match": {"a": {"$in": [1] * 5_001}}}], "more than 5000 parts"),
]  # fmt: skip


@pytest.mark.parametrize(("pipeline", "message"), [case[1:] for case in UNKNOWN], ids=[case[0] for case in UNKNOWN])
def test_unknown_construct_is_rejected(mine: Reader, pipeline: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        mine.foreign_rows("orders", pipeline, 10)


def test_deleted_documents_are_not_shown(mine: Reader, shop: Mongo) -> None:
    found = mine.foreign_rows("products", [{"$match": {"deleted": {"$in": [True, False]}}}], 1_000).documents
    assert {row["deleted"] for row in found} == {False}
    assert len(found) == shop["products"].count_documents({}) - 1


def test_deeply_nested_condition_is_rejected(mine: Reader) -> None:
    condition: dict[str, Any] = {"a": 1}
    for _ in range(5_000):
        condition = {"$and": [condition]}
    with pytest.raises(ToolError, match="nested more than 40 deep"):
        mine.foreign_rows("orders", [{"$match": condition}], 10)


def test_allowed_stages_do_not_write_or_expose_the_server() -> None:
    assert not STAGES & (FORBIDDEN | {"$collStats", "$indexStats", "$currentOp", "$listSessions", "$changeStream"})


def test_pipelines_write_nothing(model: Model, shop: Mongo) -> None:
    """Hashes are compared after the super manager tried every pipeline above."""
    before = shop.command("dbHash")["md5"]
    manager = reader_of(model, shop, SUPER_MANAGER)
    for _, collection, pipeline in HOSTILE[:3]:
        manager.foreign_rows(collection, pipeline, 10)
    for _, collection, pipeline, _ in REFUSED:
        with pytest.raises(ToolError):
            manager.foreign_rows(collection, pipeline, 10)
    assert shop.command("dbHash")["md5"] == before
    assert "stolen" not in shop.list_collection_names()


# Limits, which the server keeps


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
