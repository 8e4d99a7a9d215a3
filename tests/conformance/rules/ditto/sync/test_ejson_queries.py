"""The rule on queries of collections in mode ejson: it accepts casts and applies to fields that are objects."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from bson import DBRef, Decimal128
from pymongo.database import Database

from conformance.model.schemas.loading import load_model
from conformance.results import Outcome
from conformance.rules.ditto.crdt import shapes
from conformance.rules.ditto.sync import ejson_queries, subscriptions
from conformance.rules.ditto.sync.ejson_queries import is_object
from tests.models import shipped_model
from tests.validation import ROOT, context_for, run_rules

pytestmark = pytest.mark.server
RULE = "sync._config.ejson-queries"


def outcomes(database: Database[Any], folder: Path, in_ejson: list[str], queries: list[str]) -> dict[str, Outcome]:
    """Run the rules on a copy of the model with collections in mode ejson and further queries."""
    for name in ("schemas", "config"):
        shutil.copytree(ROOT / name, folder / name)
    for file, edit in (
        ("ditto_connector_config.yaml", lambda content: [
            one.update(mode="ejson") for one in content["collections"] if one["name"] in in_ejson
        ]),
        ("ditto_subscriptions.yaml", lambda content: content["queries"].extend(
            {"name": f"q{number}", "title": "A query", "query": query} for number, query in enumerate(queries)
        )),
    ):  # fmt: skip
        path = folder / "config" / file
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        edit(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    context = context_for(load_model(folder), database)
    rules = [*ejson_queries.rules(context.model, context.configuration)]
    rules += shapes.rules(context.model, context.configuration)
    rules += subscriptions.rules(context.model, context.configuration)
    return run_rules(rules, context)


def test_rule_without_a_collection_in_mode_ejson_is_skipped(database: Database[Any], tmp_path: Path) -> None:
    found = outcomes(database, tmp_path, [], [])[RULE]
    assert found.skipped == "ditto_connector_config.yaml has no collection in mode ejson"


def test_query_with_a_cast_is_accepted(database: Database[Any], tmp_path: Path) -> None:
    query = "SELECT * FROM orders WHERE CAST(total.`$numberDouble` AS FLOAT) > 100 AND order_date > '2026'"
    found = outcomes(database, tmp_path, ["orders"], [query])
    assert (found[RULE].violations, found[RULE].examined > 1) == (0, True)
    assert found["sync._config.subscriptions-fields"].violations == 0


def test_query_without_a_cast_is_reported_with_a_fix(database: Database[Any], tmp_path: Path) -> None:
    query = "SELECT * FROM orders AS o JOIN order_items AS i ON i.order_id = o.order_id WHERE i.quantity > o.total"
    found = outcomes(database, tmp_path, ["order_items"], [query])[RULE]
    assert [sample.why for sample in found.samples] == [
        "quantity of order_items is an object or its text on devices, and the query compares it (>);"
        " write CAST(quantity.`$numberInt` AS INT)"
    ]


def test_objects_are_numbers_ids_and_bson_types_not_text(database: Database[Any]) -> None:
    model = context_for(shipped_model(), database).model
    orders = model["orders"]
    assert {field.path for field in orders.fields if is_object(field)} == {
        "item_count",
        "subtotal",
        "tax",
        "discount_total",
        "total",
    }


@pytest.mark.parametrize(
    ("in_ejson", "value", "violations"),
    [
        ([], Decimal128("1.5"), 1),
        ([], dt.datetime(2026, 1, 1), 1),
        (["orders"], Decimal128("1.5"), 0),
        (["orders"], dt.datetime(2026, 1, 1), 0),
        (["orders"], float("nan"), 0),
        (["orders"], DBRef("orders", 1), 1),
        (["stores"], Decimal128("1.5"), 1),
    ],
)
def test_types_that_sync_in_mode_ejson_are_accepted(
    database: Database[Any], tmp_path: Path, in_ejson: list[str], value: Any, violations: int
) -> None:
    database["orders"].insert_one({"_id": "o", "paid": value})
    found = outcomes(database, tmp_path, in_ejson, [])["crdt.orders.types"]
    assert (found.examined, found.violations) == (1, violations)
