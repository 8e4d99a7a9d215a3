"""Readers of the shop for single users, and the documents that they may not see."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.ditto.permissions import load_permissions
from conformance.model.collection import Model
from mcp_servers.scoped_reader import Limits, Reader, Shop
from tests.mcp_servers.shop import Mongo, store_of

MINE, OTHER = "store_tacoma", "store_seattle"


def reader_of(model: Model, shop: Mongo, user_id: str | None, **limits: int) -> Reader:
    place = Shop(model, load_permissions(model), shop, Limits(**limits))
    return Reader(place, place.user(user_id))


@pytest.fixture(scope="module")
def mine(model: Model, shop: Mongo) -> Reader:
    """The reader of the user of one store."""
    return reader_of(model, shop, store_of(shop, MINE))


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
