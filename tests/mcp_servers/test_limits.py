"""Pipelines that would take long or build much are rejected; useful ones are accepted."""

from __future__ import annotations

import time
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from conformance.ditto.permissions import load_permissions
from conformance.model.collection import Model
from mcp_servers.expressions import DOCUMENT_BYTES, LOOP_ELEMENTS, MAX_LOOPS
from mcp_servers.scoped_reader import Reader, Shop
from tests.mcp_servers.shop import SUPER_MANAGER, Mongo

pytest_plugins = ["tests.mcp_servers.shop"]


@pytest.fixture(scope="module")
def manager(model: Model, shop: Mongo) -> Reader:
    place = Shop(model, load_permissions(model), shop)
    return Reader(place, place.user(SUPER_MANAGER))


def wide(levels: int) -> Any:
    """Return a value that is doubled at each level by $let."""
    part: Any = "$$v"
    for _ in range(levels):
        part = {"$let": {"vars": {"v": {"$concat": ["$$v", "$$v"]}}, "in": part}}
    return {"$let": {"vars": {"v": "$order_id"}, "in": part}}


THOUSAND = {"$range": [0, 1000]}
JOIN = {"$reduce": {"input": THOUSAND, "initialValue": "x", "in": {"$concat": ["$$value", "$order_id"]}}}
#: Expressions that would build a large value, or take long, within one document.
COSTLY: list[tuple[str, Any, str]] = [
    ("a long $range", {"$range": [0, 1_000_000]}, "at most 1000 numbers"),
    ("a $range downwards", {"$range": [0, -5_000, -1]}, "at most 1000 numbers"),
    ("a $range of a field", {"$range": [0, "$item_count"]}, "whole numbers"),
    ("a $range of an expression", {"$range": [0, {"$pow": [10, 6]}]}, "whole numbers"),
    ("a $range without a step", {"$range": [0, 10, 0]}, "at most 1000 numbers"),
    ("a string that doubles", {"$reduce": {"input": THOUSAND, "initialValue": "x", "in": {
        "$concat": ["$$value", "$$value"]}}}, "may not repeat"),
    ("a string that doubles by $let", {"$reduce": {"input": THOUSAND, "initialValue": "x", "in": {"$let": {
        "vars": {"v": {"$concat": ["$$value", "y"]}}, "in": {"$concat": ["$$v", "$$v"]}}}}}, "may not repeat"),
    ("a string that doubles by $cond", {"$reduce": {"input": THOUSAND, "initialValue": "x", "in": {"$concat": [
        {"$cond": [True, "$$value", "$$value"]}]}}}, "may not repeat"),
    ("a string of other data", JOIN, "may only use the loop's own variable"),
    ("a list that grows", {"$reduce": {"input": THOUSAND, "initialValue": [], "in": {
        "$concatArrays": ["$$value", ["$$this"]]}}}, "cannot put its value|not allowed inside"),
    ("a list in a list", {"$reduce": {"input": THOUSAND, "initialValue": 1, "in": ["$$value"]}}, "cannot put"),
    ("an object in an object", {"$reduce": {"input": THOUSAND, "initialValue": 1, "in": {"a": "$$value"}}},
     "cannot put"),
    ("an object in an object, by $let", {"$reduce": {"input": THOUSAND, "initialValue": 1, "in": {"$let": {
        "vars": {"v": "$$value"}, "in": {"a": "$$v"}}}}}, "cannot put"),
    ("objects merged", {"$reduce": {"input": THOUSAND, "initialValue": {}, "in": {
        "$mergeObjects": ["$$value", "$$this"]}}}, "not allowed inside"),
    ("a value rewritten", {"$reduce": {"input": THOUSAND, "initialValue": "x", "in": {
        "$split": ["$$value", ","]}}}, "may not repeat or rewrite"),
    ("loops in a loop", {"$map": {"input": THOUSAND, "in": {"$map": {"input": THOUSAND, "in": 1}}}},
     "$map inside $map"),
    ("a loop in a condition", {"$filter": {"input": THOUSAND, "cond": {"$eq": [1, {"$reduce": {
        "input": THOUSAND, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}]}}}, "$reduce inside $filter"),
    ("a loop in a $let in a loop", {"$map": {"input": THOUSAND, "in": {"$let": {"vars": {"a": {"$map": {
        "input": THOUSAND, "in": 1}}}, "in": "$$a"}}}}, "$map inside $map"),
    ("a $range in a loop's string", {"$map": {"input": THOUSAND, "in": {"$concat": ["$order_id", "$store_id"]}}},
     "may only use the loop's own variable"),
    ("a loop that cuts other data", {"$map": {"input": THOUSAND, "in": {"$split": ["$order_id", "_"]}}},
     "may only use the loop's own variable"),
    ("strings doubled in steps", wide(10), "combines more than 100"),
    ("a list of copies", ["$$ROOT"] * 101, "combines more than 100"),
    ("many loops", {"$add": [{"$size": {"$map": {"input": THOUSAND, "in": 1}}}] * 11}, "more than 10 loops"),
    ("many operators", {"$add": [{"$abs": 1}] * 501}, "more than 500 operators"),
    ("a replacement in a string", {"$replaceAll": {"input": "$order_id", "find": "o", "replacement": "oooo"}},
     "$replaceAll is not allowed"),
    ("a program", {"$function": {"body": "f", "args": [], "lang": "js"}}, "$function is not allowed"),
    ("an operator of a later server", {"$nosuch": 1}, "the operator $nosuch is not allowed"),
    ("a variable of no one", "$$nosuch", "there is no variable $$nosuch"),
    ("variables of the server", "$$CLUSTER_TIME", "there is no variable"),
    ("keys beside an operator", {"$add": [1, 2], "a": 1}, "occurs with other keys"),
]  # fmt: skip


def places(expression: Any) -> list[tuple[str, list[dict[str, Any]]]]:
    """Yield every position of a pipeline that accepts an expression."""
    inner = [{"$set": {"a": expression}}]
    return [
        ("$set", inner),
        ("$addFields", [{"$addFields": {"a.b": expression}}]),
        ("$project", [{"$project": {"a": {"b": expression}}}]),
        ("$match", [{"$match": {"$expr": expression}}]),
        ("$match, deep", [{"$match": {"$or": [{"$and": [{"$expr": expression}]}]}}]),
        ("$group by", [{"$group": {"_id": {"a": expression}}}]),
        ("$group of", [{"$group": {"_id": 1, "a": {"$push": {"b": expression}}}}]),
        ("$group of, with operands", [{"$group": {"_id": 1, "a": {"$firstN": {"n": 1, "input": expression}}}}]),
        ("$bucket", [{"$bucket": {"groupBy": expression, "boundaries": [0, 1]}}]),
        ("$bucket's output", [{"$bucketAuto": {"groupBy": "$a", "buckets": 1, "output": {"a": {"$sum": expression}}}}]),
        ("$sortByCount", [{"$sortByCount": expression}]),
        ("$replaceRoot", [{"$replaceRoot": {"newRoot": expression}}]),
        ("$replaceWith", [{"$replaceWith": expression}]),
        ("$setWindowFields by", [{"$setWindowFields": {"partitionBy": expression, "output": {}}}]),
        ("$setWindowFields of", [{"$setWindowFields": {"sortBy": {"a": 1}, "output": {"a": {"$max": expression}}}}]),
        ("$lookup's let", [{"$lookup": {"from": "stores", "let": {"a": expression}, "pipeline": [], "as": "a"}}]),
        ("$lookup's pipeline", [{"$lookup": {"from": "stores", "pipeline": inner, "as": "a"}}]),
        ("$unionWith", [{"$unionWith": {"coll": "stores", "pipeline": inner}}]),
        ("$facet", [{"$facet": {"a": inner}}]),
        ("$graphLookup", [{"$graphLookup": {"from": "orders", "startWith": expression, "connectFromField": "a",
                                            "connectToField": "a", "as": "b"}}]),
    ]  # fmt: skip


@pytest.mark.parametrize(("expression", "message"), [case[1:] for case in COSTLY], ids=[case[0] for case in COSTLY])
def test_expression_that_builds_large_values_is_rejected_everywhere(
    manager: Reader, expression: Any, message: str
) -> None:
    for _, pipeline in places(expression):
        with pytest.raises(ToolError, match=message.replace("$", r"\$")):
            manager.foreign_rows("orders", pipeline, 10)


#: Expressions that an assistant would write, and their results for the first order.
USEFUL: list[tuple[str, Any, Any]] = [
    ("numbers", {"$range": [0, 4, 2]}, [0, 2]),
    ("$map", {"$map": {"input": [1, 2], "as": "n", "in": {"n": "$$n", "twice": {"$multiply": ["$$n", 2]}}}},
     [{"n": 1, "twice": 2}, {"n": 2, "twice": 4}]),
    ("$filter by other data", {"$filter": {"input": ["a", "$status"], "cond": {"$eq": ["$$this", "$status"]}}}, None),
    ("$reduce to a sum", {"$reduce": {"input": [1, 2, 3], "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}},
     6),
    ("$reduce to a text", {"$reduce": {"input": ["a", "b"], "initialValue": "", "in": {"$cond": [
        {"$eq": ["$$value", ""]}, "$$this", {"$concat": ["$$value", ", ", "$$this"]}]}}}, "a, b"),
    ("$switch", {"$switch": {"branches": [{"case": {"$gt": ["$total", -1]}, "then": "more"}], "default": "less"}},
     "more"),
    ("dates", {"$dateToString": {"date": {"$dateFromString": {"dateString": "2024-05-06T00:00:00Z"}},
                                 "format": "%Y-%m"}}, "2024-05"),
    ("a day", {"$dateTrunc": {"date": {"$toDate": "2024-05-06T07:00:00Z"}, "unit": "day"}}, "2024-05-06T00:00:00Z"),
    ("texts", {"$toUpper": {"$substrBytes": ["abc", 0, 2]}}, "AB"),
    ("$let", {"$let": {"vars": {"a": 2}, "in": {"$add": ["$$a", 1]}}}, 3),
    ("$getField", {"$getField": {"field": "a", "input": {"a": 5}}}, 5),
    ("$arrayToObject", {"$arrayToObject": [[{"k": "a", "v": 1}]]}, {"a": 1}),
    ("lists", {"$concatArrays": [[1], {"$slice": [[2, 3], 1]}]}, [1, 2]),
    ("$regexMatch", {"$regexMatch": {"input": "drill", "regex": "^dr"}}, True),
    ("a missing list", {"$map": {"input": "$nosuch", "in": 1}}, None),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "answer"), [case[1:] for case in USEFUL], ids=[case[0] for case in USEFUL])
def test_useful_expression_is_accepted(manager: Reader, expression: Any, answer: Any) -> None:
    rows = manager.foreign_rows("orders", [{"$limit": 1}, {"$project": {"_id": 0, "a": expression}}], 10).documents
    if answer is not None:
        assert rows == [{"a": answer}]


def test_useful_pipelines_are_accepted(manager: Reader, shop: Mongo) -> None:
    """The pipelines use windows, buckets, statistics, and a $lookup with variables and two levels."""
    pipelines: list[list[dict[str, Any]]] = [
        [{"$setWindowFields": {"partitionBy": "$store_id", "sortBy": {"order_date": 1}, "output": {
            "sum": {"$sum": "$total", "window": {"documents": ["unbounded", "current"]}}, "rank": {"$rank": {}},
            "before": {"$shift": {"output": "$total", "by": -1, "default": 0}}}}}],
        [{"$bucket": {"groupBy": "$total", "boundaries": [0, 100, 1_000], "default": "more", "output": {
            "n": {"$sum": 1}}}}, {"$sort": {"n": -1, "_id": 1}}],
        [{"$group": {"_id": {"store": "$store_id", "month": {"$substrBytes": ["$order_date", 0, 7]}},
                     "deviation": {"$stdDevPop": "$total"},
                     "top": {"$topN": {"n": 2, "sortBy": {"total": -1}, "output": ["$order_id", "$total"]}}}},
         {"$project": {"name": {"$concat": ["$_id.store", " ", "$_id.month"]}, "deviation": 1, "top": 1, "_id": 0}}],
        [{"$lookup": {"from": "order_items", "let": {"order": "$order_id"}, "as": "items", "pipeline": [
            {"$match": {"$expr": {"$eq": ["$order_id", "$$order"]}}},
            {"$lookup": {"from": "products", "localField": "product_id", "foreignField": "product_id", "as": "p",
                         "pipeline": [{"$match": {"$expr": {"$ne": ["$product_id", "$$order"]}}}]}},
            {"$set": {"sku": {"$first": "$p.sku"}}}]}},
         {"$set": {"skus": {"$map": {"input": "$items", "in": "$$this.sku"}}}}, {"$match": {"skus.0": {"$exists": 1}}}],
        [{"$match": {"status": {"$not": {"$in": ["nosuch"]}}, "order_id": {"$regex": "^order_"}}}],
        [{"$match": {"$or": [{"total": {"$gte": 0}}, {"status": {"$type": "string"}}]}},
         {"$sortByCount": {"$toLower": "$status"}}],
        [{"$facet": {"a": [{"$count": "n"}], "b": [{"$sample": {"size": 1}}, {"$unset": ["total", "tax"]}]}}],
        [{"$unwind": {"path": "$order_id", "preserveNullAndEmptyArrays": True}}, {"$skip": 1}, {"$limit": 1}],
    ]  # fmt: skip
    for pipeline in pipelines:
        assert manager.foreign_rows("orders", pipeline, 3).documents, pipeline
    products = manager.foreign_rows(
        "products", [{"$match": {"$text": {"$search": "drill"}}}, {"$sort": {"score": {"$meta": "textScore"}}}], 3
    )
    assert len(products.documents) == 3


def test_loop_reads_a_limited_number_of_elements(manager: Reader) -> None:
    """The server counts them, because the length of a list is not known before."""
    every = [{"$limit": 5}, {"$lookup": {"from": "products", "pipeline": [{"$project": {"_id": 1}}], "as": "p"}}]
    gathered = [*every, {"$unwind": "$p"}, {"$group": {"_id": None, "p": {"$push": "$p._id"}}}]
    for loop in (
        {"$map": {"input": "$p", "in": 1}},
        {"$filter": {"input": "$p", "cond": True}},
        {"$reduce": {"input": "$p", "initialValue": 0, "in": {"$add": ["$$value", 1]}}},
        {"$map": {"input": {"$concatArrays": ["$p", "$p"]}, "in": 1}},
    ):
        with pytest.raises(ToolError, match=r"the query is too large: [0-9]+ elements in a loop; at most 1000 go"):
            manager.foreign_rows("orders", [*gathered, {"$project": {"a": {"$size": loop}}}], 10)
    few = [{"$limit": 1}, *every[1:], {"$project": {"n": {"$size": {"$map": {"input": "$p._id", "in": 1}}}}}]
    assert 300 < manager.foreign_rows("orders", few, 10).documents[0]["n"] <= LOOP_ELEMENTS


def test_building_stage_reads_documents_of_a_limited_size(manager: Reader) -> None:
    gathered = [{"$limit": 1_000}, {"$group": {"_id": None, "all": {"$push": "$$ROOT"}}}]
    assert manager.foreign_rows("order_items", [*gathered, {"$project": {"n": {"$size": "$all"}}}], 1).documents
    for stage in (
        {"$set": {"b": ["$all", "$all"]}},
        {"$project": {"b": {"$concatArrays": ["$all", "$all"]}}},
        {"$replaceWith": {"a": "$all", "b": "$all"}},
        {"$group": {"_id": {"a": "$all", "b": "$all"}}},
        {"$match": {"$expr": {"$eq": [["$all", "$all"], 1]}}},
        {"$facet": {"a": [{"$set": {"b": ["$all", "$all"]}}]}},
        {"$lookup": {"from": "stores", "let": {"a": "$all"}, "pipeline": [], "as": "s"}},
    ):
        with pytest.raises(ToolError, match=rf"too large: [0-9]+ bytes in a document; at most {DOCUMENT_BYTES} go"):
            manager.foreign_rows("order_items", [*gathered, stage], 1)


def test_repeated_doubling_of_a_document_is_limited(manager: Reader) -> None:
    """Twenty doublings of a document, each by another operator, stop at the limit of its size."""
    ways: list[dict[str, Any]] = [
        {"$set": {"a": "$$ROOT", "b": "$$ROOT"}}, {"$set": {"o.a": "$o", "o.b": "$$ROOT"}},
        {"$addFields": {"status": ["$status", "$status"]}},
        {"$project": {"a": "$$ROOT", "b": "$$ROOT"}}, {"$replaceWith": {"a": "$$ROOT", "b": "$$ROOT"}},
    ]  # fmt: skip
    for way in ways:
        started = time.monotonic()
        with pytest.raises(ToolError, match="too large"):
            manager.foreign_rows("orders", [{"$limit": 1}, *[way] * 20, {"$group": {"_id": "$$ROOT"}}], 1)
            pytest.fail(str(way))
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("way", ["loops", "strings", "comparisons"])
def test_most_expensive_pipeline_ends_within_10_seconds(manager: Reader, way: str) -> None:
    """The pipeline uses all that the guard allows within one document, which the server does not interrupt."""
    gathered = [{"$limit": 300}, {"$group": {"_id": None, "all": {"$push": "$$ROOT"}}}]
    bodies: dict[str, Any] = {
        "loops": {"$size": {"$map": {"input": THOUSAND, "in": {"$eq": ["$all", {"$literal": 1}]}}}},
        "strings": {"$strLenCP": {"$reduce": {"input": THOUSAND, "initialValue": "", "in": {
            "$concat": ["$$value", "x" * 500, {"$toString": "$$this"}, "y" * 500]}}}},
        "comparisons": {"$size": {"$filter": {"input": THOUSAND, "cond": {"$in": ["$$this", "$all.order_id"]}}}},
    }  # fmt: skip
    pipeline = [*gathered, {"$project": {f"f{number}": bodies[way] for number in range(MAX_LOOPS)}}]
    started = time.monotonic()
    assert manager.foreign_rows("orders", pipeline, 1).documents
    assert time.monotonic() - started < 10
