"""Custom rules as queries: rejected queries, and their reports."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from conformance.checks.base import Rule
from conformance.config.configuration import RulesFile
from conformance.config.forbidden import Forbidden
from conformance.errors import ConfigurationError
from conformance.files.strict_files import parse_file
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.data.forbidden import forbidden_rules
from tests.validation import configuration_for, context_for

ABOUT = {"collection": "orders", "subject": "odd", "title": "No order is odd"}


def rule_of(model: Model, **query: Any) -> Rule:
    """Return the rule of one query."""
    configuration = configuration_for(model)
    rules = replace(configuration, rules=RulesFile(forbidden=(Forbidden(**{**ABOUT, **query}),)))
    (rule,) = forbidden_rules(model, rules, "business")
    return rule


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "a find or a pipeline"),
        ({"find": {"status": "x"}, "pipeline": []}, "a find or a pipeline"),
        ({"find": {}}, "an empty query forbids every document"),
        ({"pipeline": []}, "an empty query forbids every document"),
        ({"find": {"$where": "true"}}, "$where"),
        ({"find": {"total": {"$gtt": 1}}}, "$gtt cannot be used in find; did you mean $gt?"),
        ({"find": {"$or": [{"total": {"$near": 1}}]}}, "$near cannot be used in find"),
        ({"pipeline": [{"$out": "x"}]}, "stage 1 of the pipeline: $out is not a stage that only reads"),
        ({"pipeline": [{"$match": {}}, {"$merge": "x"}]}, "stage 2 of the pipeline: $merge"),
        ({"pipeline": [{"$match": {}, "$limit": 1}]}, "stage 1 of the pipeline"),
        (
            {"pipeline": [{"$lookup": {"from": "x", "pipeline": [{"$match": {"$expr": {"$function": {}}}}]}}]},
            "JavaScript",
        ),
    ],
)
def test_unusable_query_is_one_error(tmp_path: Path, query: Mapping[str, Any], words: str) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"forbidden": [{**ABOUT, **query}]}), encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        parse_file(RulesFile, path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"collection": "order", "find": {"total": 1}}, "there is no collection order; did you mean orders?"),
        ({"find": {"statu": 1}}, "there is no field statu; did you mean status?"),
        ({"find": {"$and": [{"totall": 1}]}}, "there is no field totall; did you mean total?"),
        ({"pipeline": [{"$unionWith": "customer"}]}, "there is no collection customer; did you mean customers?"),
        ({"pipeline": [{"$lookup": {"from": "nope", "as": "x"}}]}, "there is no collection nope"),
    ],
)
def test_unknown_name_is_one_error(model: Model, query: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        rule_of(model, **query)
    assert words in str(error.value)


def test_values_of_extended_json_become_those_of_bson() -> None:
    oid = ObjectId()
    query = Forbidden(
        **ABOUT, find={"a": {"$lt": {"$date": "2024-01-01T00:00:00Z"}}, "b": {"$in": [{"$oid": str(oid)}]}}
    )
    assert query.filter == {"a": {"$lt": dt.datetime(2024, 1, 1)}, "b": {"$in": [oid]}}


def found(model: Model, database: Any, **query: Any) -> Outcome:
    """Return the outcome of the rule of one query."""
    rule = rule_of(model, **query)
    return rule.check(context_for(model, database), [rule])[rule.id]


ORDERS = [{"_id": f"o{n}", "status": "odd" if n < 7 else "fine", "store_id": f"s{n % 3}"} for n in range(10)]


@pytest.mark.server
def test_filter_counts_its_documents_and_shows_the_first(model: Model, database: Any) -> None:
    database.orders.insert_many(ORDERS)
    outcome = found(model, database, find={"status": "odd", "total": {"$exists": False}})
    assert (outcome.examined, outcome.violations) == (10, 7)
    assert [sample.id for sample in outcome.samples] == ["o0", "o1", "o2", "o3", "o4"]
    assert outcome.samples[0].why == 'status "odd", total absent matches what must not exist'


@pytest.mark.server
def test_pipeline_reports_documents_by_id_and_groups_by_key(model: Model, database: Any) -> None:
    database.orders.insert_many(ORDERS)
    documents = found(model, database, pipeline=[{"$match": {"status": "odd"}}, {"$project": {"status": 1}}])
    assert (documents.examined, documents.violations, documents.samples[0].id) == (10, 7, "o0")
    pipeline = [{"$group": {"_id": "$store_id", "n": {"$sum": 1}}}, {"$match": {"n": {"$gt": 3}}}]
    groups = found(model, database, pipeline=pipeline)
    assert (groups.examined, groups.violations) == (10, 1)
    assert groups.samples[0].ref == 'orders: "s0"'
    assert groups.samples[0].why.startswith("n 4 ")


@pytest.mark.server
def test_query_that_finds_nothing_passes_and_an_empty_collection_is_skipped(model: Model, database: Any) -> None:
    assert "empty" in str(found(model, database, pipeline=[{"$match": {"status": "odd"}}]).skipped)
    database.orders.insert_many(ORDERS)
    assert found(model, database, find={"status": "none"}) == Outcome(10)
    assert found(model, database, pipeline=[{"$match": {"status": "none"}}]) == Outcome(10)
