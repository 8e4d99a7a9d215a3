"""Families indexes, validators and streams: their rules, and a fault of the deployment that fails exactly its rules."""

from __future__ import annotations

import pytest

from conformance.model.collection import Model
from tests.conformance.rules.server.deployment.faults import INDEX_FAULTS, Fault
from tests.conformance.rules.server.deployment.rules import Documents, all_rules, context_of, run_all, skips
from tests.conformance.rules.server.deployment.server_faults import SERVER_FAULTS
from tests.validation import failed

pytestmark = pytest.mark.server


def test_rules_have_the_expected_ids(model: Model) -> None:
    ids = [rule.id for rule in all_rules(model)]
    assert len(ids) == len(set(ids))
    assert [name for name in ids if name.split(".")[1] == "order_items"] == [
        "indexes.order_items._id",
        "indexes.order_items.product_id",
        "indexes.order_items.store_id+deleted",
        "indexes.order_items.order_id+product_id",
        "indexes.order_items.extra",
        "indexes.order_items.redundant",
        "indexes.order_items.foreign-keys",
        "validators.order_items.present",
        "validators.order_items.definition",
        "validators.order_items.level",
        "validators.order_items.action",
        "validators.order_items.devices",
        "streams.order_items.images",
        "streams.order_items.round_trip",
    ]
    assert "streams.product_embeddings.round_trip" not in ids
    assert "indexes.stores.foreign-keys" not in ids


def test_every_rule_has_a_why_and_a_fix(model: Model) -> None:
    for rule in all_rules(model):
        assert rule.why.endswith("."), rule.id
        assert rule.fix.endswith("."), rule.id
        assert not rule.title.endswith("."), rule.id


def test_provisioned_database_passes(database: Documents, scratch: Documents, model: Model) -> None:
    outcomes = run_all(context_of(model, database, scratch))
    assert failed(outcomes) == set()
    assert set(skips(outcomes)) == {"streams._database.connector_version", "streams._database.oplog_window"}
    assert all(outcome.examined for name, outcome in outcomes.items() if not outcome.skipped)
    assert outcomes["indexes.orders.extra"].examined == 8
    assert outcomes["indexes.orders.foreign-keys"].evidence == {
        "led_by": {"customer_id": "customer_id_1_order_date_-1", "store_id": "store_id_1_order_date_-1"}
    }


@pytest.mark.parametrize("fault", (*INDEX_FAULTS, *SERVER_FAULTS), ids=lambda fault: fault.title)
def test_fault_fails_exactly_its_rules(fault: Fault, database: Documents, model: Model) -> None:
    fault.damage(database)
    outcomes = run_all(context_of(model, database))
    assert failed(outcomes) == set(fault.fails)
    outcome = outcomes[fault.fails[0]]
    assert (outcome.violations, len(outcome.samples)) == (1, 1)
    assert outcome.samples[0].ref == fault.ref
    assert fault.why in outcome.samples[0].why
