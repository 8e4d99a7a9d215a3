"""Sales of a till written in JavaScript, which has one type of number: they reach MongoDB and are conformant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo import MongoClient

from conformance.checks.base import Context
from conformance.config.settings import Settings
from conformance.ditto.connector import load_connector
from conformance.model.collection import Model
from conformance.rules.catalogue import DATA_FAMILIES, all_rules
from conformance.server.provision import apply, plan
from edge.bridge.synced_collection import synced_collections
from generator.columns.plan import Plan
from generator.loader import load
from tests.edge.bridge.pair import Document, Pair, edge, paired
from tests.validation import configuration_for, run_rules

__all__ = ["edge"]

pytestmark = pytest.mark.ditto

SETTINGS: Final = Settings.model_validate({"num_orders": 300, "num_customers": 40})
#: Collections that tills write; the others exist before.
SOLD: Final = ("orders", "order_items")
#: Documents of one INSERT.
PAGE: Final = 200


def as_javascript(value: Any) -> Any:
    """Return the value as npm's @dittolive/ditto encodes it: every v with Math.floor(v) === v is an integer."""
    if isinstance(value, Mapping):
        return {name: as_javascript(inner) for name, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.fixture
def shop(server: MongoClient[Document], edge: Path, tmp_path: Path, model: Model) -> Iterator[tuple[Pair, Context]]:
    """A provisioned shop without sales, and the context of rules on it."""
    configuration = configuration_for(model)
    synced = synced_collections(model, load_connector(model))
    with paired(server, tmp_path, synced) as pair:
        apply(plan(model, pair.database), pair.database)
        load(Plan(model, configuration, SETTINGS).documents(model.collections.keys() - set(SOLD)), pair.database, 500)
        yield pair, Context(model, configuration, SETTINGS, pair.database, embedded=True, scratch=None)


def test_sales_of_a_javascript_till_reach_mongodb_and_are_conformant(shop: tuple[Pair, Context]) -> None:
    pair, context = shop
    whole = 0
    for name, documents in Plan(context.model, context.configuration, SETTINGS).documents(SOLD):
        sales = [as_javascript(pair.synced[name].to_ditto(document)) for document in documents]
        whole += sum(type(sale.get("discount_total")) is int for sale in sales)
        for start in range(0, len(sales), PAGE):
            pair.store.insert(name, sales[start : start + PAGE])
    assert whole > 200
    pair.meet()
    pair.meet()  # documents that devices write into an empty store are synced in the second run
    assert pair.unsynced == {}
    found = pair.database["orders"].find({}, {"discount_total": 1})
    assert sum(type(order["discount_total"]) is int for order in found) == whole
    rules = [rule for rule in all_rules(context.model, context.configuration) if rule.family in DATA_FAMILIES]
    findings = {name: one.samples[:1] for name, one in run_rules(rules, context).items() if one.violations}
    assert findings == {}
    assert pair.database["orders"].count_documents({}) == SETTINGS.num_orders
