"""Definitions of queries that do not fit the model, and plans of any shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.rules.server.queries import rules
from conformance.server.query_plan import explained
from tests.conformance.rules.server.queried_shop import query_of
from tests.validation import configuration_for


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"collection": "order"}, "there is no collection 'order'"),
        ({"find": {"order_id": "$$order"}}, "$$order is not a parameter"),
        ({"find": {"order_id": "a", "delted": False}}, "orders has no field 'delted'"),
        ({"sort": {"order_dat": 1}}, "orders has no field 'order_dat'"),
        ({"plan": {"forbid": ["SORT"], "examined_per_returned": 1, "indexed": {"store": "a"}}},
         "orders has no field 'store'"),
        ({"plan": {"forbid": ["COLSCAN"]}}, "it forbids COLSCAN, which no plan has"),
        ({"find": None, "pipeline": [{"$lookup": {"from": "order_itemz"}}]}, "it looks up 'order_itemz'"),
        ({"parameters": {"x": "orders.order_id"}}, "the parameter x is not used"),
        ({"parameters": {"x": "orders.number"}, "find": {"order_id": "$$x"}}, "there is no field 'orders.number'"),
        ({"parameters": {"x": "sales.order_id"}, "find": {"order_id": "$$x"}}, "there is no field 'sales.order_id'"),
        ({"parameters": {"a": {"literal": 5}, "x": "orders.number"}, "find": {"total": "$$a", "order_id": "$$x"}},
         "there is no field 'orders.number'"),
        ({"find": None, "pipeline": [{"$match": {"status": "$$status"}}]}, "$$status is not a parameter"),
        ({"find": None, "pipeline": [{"$sortByCount": "status"}, {"$match": {"s": "$$status"}}]},
         "$$status is not a parameter"),
        ({"find": {"$or": [{"let": "$$e"}]}}, "$$e is not a parameter"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_query_that_does_not_fit_the_model_is_rejected(model: Model, given: dict[str, Any], message: str) -> None:
    configuration = replace(configuration_for(model), queries=(query_of(**given),))
    with pytest.raises(ConfigurationError) as raised:
        list(rules(model, configuration))
    assert message in str(raised.value)
    assert str(raised.value).startswith("config/queries.yaml: q: ")


def test_two_queries_of_the_same_name_are_rejected(model: Model) -> None:
    configuration = replace(configuration_for(model), queries=(query_of(), query_of()))
    with pytest.raises(ConfigurationError, match="two of this name"):
        list(rules(model, configuration))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pipeline": []}, "a find or a pipeline"),
        ({"find": None}, "a find or a pipeline"),
        ({"find": None, "pipeline": [], "limit": 5}, "sort and limit belong to find"),
        ({"plan": {}}, "set require or forbid"),
        ({"plan": {"require": ["X"], "examined_per_returned": 1}}, "belong together"),
        ({"parameters": {"x": {"literal": 5, "field": "orders.total"}}}, "write one of them"),
        ({"parameters": {"x": {}}}, "write one of them"),
        ({"find": None, "pipeline": [{"$lookup": {}}]}
         | {"plan": {"require": ["X"], "examined_per_returned": 1, "indexed": {}}}, "two collections"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_malformed_query_is_rejected(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        query_of(**given)


def test_pipeline_variables_are_not_parameters(model: Model) -> None:
    inner = [{"$match": {"$expr": {"$eq": ["$x", "$$mine.y"]}}}, {"$set": {"now": "$$NOW"}}]
    pipeline = [
        {"$lookup": {"from": "stores", "let": {"mine": "$$ROOT"}, "pipeline": inner, "as": "s"}},
        {"$set": {"s": {"$map": {"input": "$s", "as": "one", "in": "$$one.x"}}}},
    ]
    configuration = replace(configuration_for(model), queries=(query_of(find=None, pipeline=pipeline),))
    assert len(list(rules(model, configuration))) == 1


#: Explains of servers that no test starts, cut down to what is read, and what must be read from them.
SHAPES: list[tuple[str, dict[str, Any], tuple[str, ...], tuple[int, int, int]]] = [
    (
        "express, 8.0",
        {"queryPlanner": {"winningPlan": {"isCached": False, "stage": "EXPRESS_IXSCAN", "indexName": "a_1"},
                          "rejectedPlans": [{"stage": "COLLSCAN"}]},
         "executionStats": {"nReturned": 1, "totalKeysExamined": 1, "totalDocsExamined": 1}},
        ("IXSCAN",), (1, 1, 1),
    ),
    (
        "sharded find",
        {"queryPlanner": {"winningPlan": {"stage": "SHARD_MERGE", "shards": [
            {"shardName": "a", "winningPlan": {"stage": "FETCH", "inputStage": {"stage": "IXSCAN"}}},
            {"shardName": "b", "winningPlan": {"stage": "COLLSCAN", "filter": {"stage": "TEXT"}}}]}},
         "executionStats": {"nReturned": 3, "totalKeysExamined": 2, "totalDocsExamined": 9, "executionStages": {
             "shards": [{"executionStats": {"totalDocsExamined": 9}}]}}},
        ("SHARD_MERGE", "FETCH", "IXSCAN", "COLLSCAN"), (9, 2, 3),
    ),
    (
        "sharded aggregate",
        {"shards": {name: {"stages": [{"$cursor": {
            "queryPlanner": {"winningPlan": {"queryPlan": {"stage": "IXSCAN"}, "slotBasedPlan": {"stages": "scan"}}},
            "executionStats": {"nReturned": 2, "totalKeysExamined": 4, "totalDocsExamined": 4}}}]} for name in "ab"}},
        ("IXSCAN",), (8, 8, 4),
    ),
    (
        "classic $lookup without an index",
        {"stages": [
            {"$cursor": {"queryPlanner": {"winningPlan": {"stage": "IXSCAN"}},
                         "executionStats": {"nReturned": 1, "totalKeysExamined": 1, "totalDocsExamined": 1}}},
            {"$lookup": {"from": "x", "let": {"stage": "SORT"}}, "totalDocsExamined": 900, "collectionScans": 2,
             "indexesUsed": []},
            {"$sort": {"sortKey": {"stage": 1}}, "nReturned": 7}]},
        ("IXSCAN", "$lookup", "COLLSCAN", "SORT"), (1, 1, 7),
    ),
    (
        "slot-based $lookup without an index",
        {"queryPlanner": {"winningPlan": {"queryPlan": {"stage": "EQ_LOOKUP", "strategy": "HashJoin",
                                                        "inputStage": {"stage": "IDHACK"}}}},
         "executionStats": {"nReturned": 1, "totalKeysExamined": 1, "totalDocsExamined": 901}},
        ("EQ_LOOKUP", "COLLSCAN", "IXSCAN"), (901, 1, 1),
    ),
    ("nothing", {}, (), (0, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("explain", "stages", "figures"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_explain_of_any_shape_is_read(
    explain: Mapping[str, Any], stages: tuple[str, ...], figures: tuple[int, int, int]
) -> None:
    plan = explained(explain)
    assert plan.stages == stages
    assert (plan.documents, plan.keys, plan.returned) == figures
