"""Validators: equal ones in another order, strict ones, missing ones, and missing collections."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.model.collection import Model
from conformance.rules.server import validators
from conformance.server.metadata import LiveCollection
from conformance.server.provision import apply, plan
from tests.conformance.rules.server.deployment.faults import TYPES, modified, validator_of
from tests.conformance.rules.server.deployment.rules import Documents, all_rules, context_of, run_all, skips
from tests.validation import failed

pytestmark = pytest.mark.server


def test_validator_with_sets_in_another_order_is_equal(database: Documents, scratch: Documents, model: Model) -> None:
    for name in ("orders", "products"):
        modified(name, validator=_turned(validator_of(database, name)))(database)
    assert validator_of(database, "orders")["$jsonSchema"]["properties"]["status"]["enum"][-1] == "pending"
    assert failed(run_all(context_of(model, database, scratch))) == set()
    assert plan(model, database) == []


def _turned(value: Any, keyword: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _turned(one, key) for key, one in reversed(value.items())}
    if isinstance(value, list):
        turned = [_turned(one) for one in value]
        return turned[::-1] if keyword in ("required", "enum", "bsonType", "anyOf", "$and") else turned
    return value


def test_strict_validators_are_a_warning(database: Documents, model: Model) -> None:
    apply(plan(model, database, validators="strict"), database)
    rules = {rule.id: rule for rule in all_rules(model)}
    outcomes = run_all(context_of(model, database))
    expected = {f"validators.{collection.name}.devices" for collection in model if collection.synced}
    assert failed(outcomes) == expected
    assert {rules[name].severity for name in expected} == {"warning"}
    assert [sample.why for sample in outcomes["validators.inventory.devices"].samples] == [
        "the strict validator rejects a field of a newer app version, null in an optional field (location.bin),"
        " a whole double in an integer field (stock_level), a deleted document that lacks fields"
    ]
    modified("orders", validationAction="warn")(database)
    assert "validators.orders.devices" not in failed(run_all(context_of(model, database)))
    assert {change.collection for change in plan(model, database)} == {each.name for each in model if each.synced}
    apply(plan(model, database, validators="connector"), database)
    assert failed(run_all(context_of(model, database))) == set()
    assert plan(model, database) == []
    words = plan(model, database, validators="strict")[0].what
    assert words == "set the validator (it is that of profile connector)"


def test_missing_validator_skips_dependent_rules(database: Documents, model: Model) -> None:
    modified("orders", validator={})(database)
    reasons = skips(run_all(context_of(model, database)))
    for subject in ("definition", "level", "action", "devices"):
        assert reasons[f"validators.orders.{subject}"] == ("the collection has no validator; see validators.*.present")


@pytest.mark.parametrize("how", ["dropped", "a view"])
def test_missing_collection_fails_or_skips_its_rules(how: str, database: Documents, model: Model) -> None:
    """Its indexes, validator and images are missing; other rules are skipped."""
    database.drop_collection("product_types")
    if how == "a view":
        database.command({"create": "product_types", "viewOn": "stores", "pipeline": []})
    outcomes = run_all(context_of(model, database))
    assert failed(outcomes) == {
        f"{TYPES}._id",
        f"{TYPES}.type_id",
        f"{TYPES}.category_id",
        f"{TYPES}.foreign-keys",
        "validators.product_types.present",
        "streams.product_types.images",
    }
    assert {name for name in skips(outcomes) if ".product_types." in name} == {
        f"{TYPES}.extra",
        f"{TYPES}.redundant",
        "validators.product_types.definition",
        "validators.product_types.level",
        "validators.product_types.action",
        "validators.product_types.devices",
        "streams.product_types.round_trip",
    }
    absent = "the collection does not exist, or a view or time series has its name"
    assert {skips(outcomes)[f"{TYPES}.{subject}"] for subject in ("extra", "redundant")} == {absent}


def test_missing_unsynced_collection_skips_its_images(database: Documents, model: Model) -> None:
    database.drop_collection("product_embeddings")
    outcome = run_all(context_of(model, database))["streams.product_embeddings.images"]
    assert outcome.skipped == "the collection does not exist"


@pytest.mark.parametrize(
    ("options", "level", "action"),
    [
        ({}, None, None),
        ({"validationAction": "errorAndLog"}, None, None),
        ({"validationLevel": "off"}, "validationLevel is off, so the server validates nothing; expected strict", None),
        (
            {"validationAction": "warn"},
            None,
            "validationAction is warn, so invalid documents are logged and accepted; expected error",
        ),
        (
            {"validationLevel": "lax"},
            "validationLevel is lax, which this version does not know; expected strict",
            None,
        ),
    ],
)
def test_validation_level_and_action_are_explained(
    model: Model, options: dict[str, str], level: str | None, action: str | None
) -> None:
    live = LiveCollection("orders", "collection", options)
    collection = model["orders"]
    assert (validators._level(collection, live), validators._action(collection, live)) == (level, action)
