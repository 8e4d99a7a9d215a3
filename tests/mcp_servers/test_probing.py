"""Constructs that could probe hidden values, write, or run code are rejected."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from conformance.model.collection import Model
from mcp_servers.query_guard import FORBIDDEN, STAGES
from mcp_servers.scoped_reader import Reader
from tests.mcp_servers.readers import HOSTILE, REFUSED, mine, reader_of
from tests.mcp_servers.shop import SUPER_MANAGER, Mongo

pytest_plugins = ["tests.mcp_servers.shop"]

__all__ = ["mine"]


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
