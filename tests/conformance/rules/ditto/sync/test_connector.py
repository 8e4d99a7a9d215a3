"""Family sync: every alteration of the connector's configuration fails exactly the rule that names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.database import Database

from conformance.config.settings import load_settings
from conformance.ditto.connector import CONNECTOR_FILE, load_connector
from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Model
from conformance.results import Outcome
from conformance.rules.ditto.sync.connector import _UNFIT_TYPES, rules
from tests.conformance.rules.ditto.sync.alterations import (
    ALTERATIONS,
    ANOTHER_WAY,
    CATEGORIES,
    CUSTOMERS,
    DATABASE,
    EMBEDDINGS,
    INVENTORY,
    ORDERS,
    SHIPPED,
    STORES,
    UNREADABLE,
)
from tests.validation import context_for, failed, run_rules

FILE = f"config/{CONNECTOR_FILE}"


@pytest.fixture
def provisioned(model: Model, database: Database[dict[str, Any]]) -> Database[dict[str, Any]]:
    """A database with one document in each collection."""
    for collection in model:
        identity = "x" if collection.field("_id").kind != "objectid" else ObjectId()
        database[collection.name].insert_one({"_id": identity})
    return database


@pytest.fixture
def verdict(
    model: Model, provisioned: Database[dict[str, Any]], tmp_path: Path
) -> Callable[[str | None], dict[str, Outcome]]:
    """Validate the database with this text of the configuration (None: no file)."""

    def run(text: str | None) -> dict[str, Outcome]:
        (tmp_path / "config").mkdir(exist_ok=True)
        if text is not None:
            (tmp_path / "config" / CONNECTOR_FILE).write_text(text, encoding="utf-8")
        context = replace(context_for(replace(model, root=tmp_path), provisioned), settings=load_settings())
        return run_rules(rules(context.model, context.configuration), context)

    return run


Verdict = Callable[[str | None], dict[str, Outcome]]


def test_shipped_file_has_no_finding(verdict: Verdict, model: Model) -> None:
    outcomes = verdict(SHIPPED)
    assert len(outcomes) == 6 + 8 * 6 + 3
    assert failed(outcomes) == set()
    assert {name for name, outcome in outcomes.items() if outcome.skipped} == set()
    assert {name: outcome.examined for name, outcome in outcomes.items() if outcome.examined != 1} == {
        "sync._config.unknown": 9, "sync._config.settings": 10, "sync._config.maps": 4, "sync._config.secrets": 4,
        "sync.stores.id_fields": 2, "sync.customers.id_fields": 2, "sync.products.id_fields": 2,
        "sync.orders.id_fields": 2,
    }  # fmt: skip
    assert load_connector(model).settings.batch_size == 1000


@pytest.mark.parametrize(
    ("old", "new", "fails", "place"), [row[1:] for row in ALTERATIONS], ids=[row[0] for row in ALTERATIONS]
)
def test_alteration_fails_exactly_its_rules(verdict: Verdict, old: str, new: str, fails: str, place: str) -> None:
    assert SHIPPED.count(old) == 1
    clean, outcomes = verdict(SHIPPED), verdict(SHIPPED.replace(old, new))
    named = {f"sync.{rule}" for rule in fails.split()}
    assert failed(outcomes) == named
    for name in named:
        assert outcomes[name].violations == 1
        assert outcomes[name].examined >= clean[name].examined
        assert outcomes[name].examined == 1 or not name.endswith((".configured", ".enabled", ".id_mapping"))
        (sample,) = outcomes[name].samples
        assert sample.ref is not None
        assert sample.ref.startswith(f"{FILE}: ")
    assert f"{FILE}: {place}" in {outcomes[name].samples[0].ref for name in named}
    touched = {name.split(".")[1] for name in named}
    unmoved = {name for name in outcomes if name.split(".")[1] not in touched | {"_config"}}
    assert {name: outcomes[name] for name in unmoved} == {name: clean[name] for name in unmoved}
    assert not any(outcomes[name].skipped for name in named)
    reasons = [outcome.skipped for outcome in outcomes.values() if outcome.skipped]
    assert all("sync." in reason or "no id_mapping" in reason for reason in reasons)


#: The replaced text, its replacement, the rule, and its complete message.
ALTERED = [
    (STORES, "", "stores.configured", "there is no entry for stores"),
    (STORES, STORES * 2, "stores.configured", "stores has 2 entries: collections[0], collections[1]"),
    (CUSTOMERS, CUSTOMERS.replace("true", "false"), "customers.enabled", "found false; expected true, as x-sync in the"
        " schema"),
    (EMBEDDINGS, EMBEDDINGS.replace("false", "true"), "product_embeddings.enabled",
     "found true; expected false, as x-sync in the schema"),
    (CATEGORIES, "  - {name: categories, sync_enabled: true}\n", "categories.id_mapping", "the entry has no"
        " id_mapping"),
    (INVENTORY, "{mode: multiple_fields, fields: [store_id, product_id]} #", "inventory.id_mapping",
     "found multiple_fields store_id, product_id; expected match_ids"),
    (ORDERS, "{mode: match_ids}", "orders.id_mapping", "found match_ids; expected single_field order_id"),
    ("${DITTO_API_KEY}", "0f9a", "_config.secrets", "the value is written in the file (shown as ***); write"
        " ${VARIABLE} instead"),
    ("name: stores", "name: store", "_config.unknown", "the model defines no collection 'store'"),
]  # fmt: skip


@pytest.mark.parametrize("stated", ["strict_mode: false", "mode: ejson"])
def test_collection_that_is_not_strict_is_not_reported(verdict: Verdict, stated: str) -> None:
    mapping = "{mode: single_field, field: store_id}"
    text = SHIPPED.replace("strict_mode: false", "strict_mode: true").replace(mapping, f"{mapping}\n    {stated}")
    (sample,) = verdict(text)["sync._config.maps"].samples
    assert sample.why == (
        "strict_mode is true, but categories.seasonal_multipliers, products.specifications, inventory.location are"
        " declared as MAPs"
    )


@pytest.mark.parametrize(("old", "new", "rule", "why"), ALTERED, ids=[row[3] for row in ALTERED])
def test_alteration_is_reported_with_its_reason(verdict: Verdict, old: str, new: str, rule: str, why: str) -> None:
    assert SHIPPED.count(old) == 1
    assert [sample.why for sample in verdict(SHIPPED.replace(old, new))[f"sync.{rule}"].samples] == [why]


@pytest.mark.parametrize(("old", "new", "message"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
def test_unreadable_file_is_one_finding(verdict: Verdict, old: str, new: str, message: str) -> None:
    assert SHIPPED.count(old) == 1
    _assert_only_the_file_fails(verdict(SHIPPED.replace(old, new)), message)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("connector_version: 1.0", "connector_version: 1.9"),
        ("rate_limit_per_second: 100", "rate_limit_per_second: 0"),
        ("batch_size: 1000", "batch_size: 1"),
        ("batch_size: 1000", "batch_size: 10000"),
        ("max_retries: 3", "max_retries: 0"),
        ("max_retries: 3", "max_retries: 100"),
        ("backoff_multiplier: 2", "backoff_multiplier: 1"),
        ("jitter: 0.25", "jitter: 0.0"),
        ("jitter: 0.25", "jitter: 1.0"),
    ],
)
def test_value_at_the_limit_is_accepted(verdict: Verdict, old: str, new: str) -> None:
    assert SHIPPED.count(old) == 1
    assert failed(verdict(SHIPPED.replace(old, new))) == set()


def test_missing_file_is_one_finding(verdict: Verdict) -> None:
    _assert_only_the_file_fails(verdict(None), "cannot be read: No such file")


def _assert_only_the_file_fails(outcomes: Mapping[str, Outcome], message: str) -> None:
    assert failed(dict(outcomes)) == {"sync._config.file"}
    (sample,) = outcomes["sync._config.file"].samples
    assert message in sample.why
    assert sample.why.startswith("line ") or "cannot be read" in sample.why
    assert "\n" not in sample.why
    assert sample.ref == FILE
    on_the_file = {name for name in outcomes if not name.endswith((".exists", ".not_capped", "_config.file"))}
    assert {outcomes[name].skipped for name in on_the_file} == {f"{FILE} cannot be read: see sync._config.file"}


@pytest.mark.parametrize(("old", "new"), ANOTHER_WAY)
def test_equivalent_configuration_is_accepted(
    verdict: Verdict, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    """A custom variable is accepted like a setting if it is set."""
    for name, value in (("SHOP_REGION", "north"), ("SHOP_DATABASE", "zava"), ("SHOP_HALF", "va")):
        monkeypatch.setenv(name, value)
    outcomes = verdict(SHIPPED.replace(old, new))
    assert failed(outcomes) == set()
    others = ("${" in new) - (old == DATABASE) if old in (DATABASE, "https://cloud.ditto.live") else 0
    assert outcomes["sync._config.secrets"].examined == 4 + others


def test_secret_of_the_wrong_type_is_not_shown(model: Model, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / CONNECTOR_FILE).write_text(SHIPPED.replace("${DITTO_API_KEY}", "5550199"), encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_connector(replace(model, root=tmp_path))
    assert "ditto.api_key" in str(raised.value)
    assert "5550199" not in str(raised.value)


def test_mutable_id_field_is_reported(model: Model, provisioned: Database[dict[str, Any]]) -> None:
    stores = model["stores"]
    key = stores.field("store_id")
    mutable = replace(key, schema={name: value for name, value in key.schema.items() if name != "x-immutable"})
    fields = tuple(mutable if field is key else field for field in stores.fields)
    altered: Collection = replace(stores, fields=fields)
    context = context_for(replace(model, collections={**model.collections, "stores": altered}), provisioned)
    outcomes = run_rules(rules(context.model, context.configuration), context)
    assert failed(outcomes) == {"sync.stores.id_fields"}
    assert "immutable" in outcomes["sync.stores.id_fields"].samples[0].why


@pytest.mark.parametrize("unfit", [None, {"a": 1}, 1.5, True, float("nan")], ids=repr)
def test_id_unsuitable_for_match_ids_is_counted(
    verdict: Verdict, provisioned: Database[dict[str, Any]], unfit: Any
) -> None:
    provisioned["inventory"].insert_many([{"_id": unfit}, {"_id": 5}, {"_id": Int64(2**40)}, {"_id": ObjectId()}])
    outcomes = verdict(SHIPPED)
    assert failed(outcomes) == {"sync.inventory.id_fields"}
    outcome = outcomes["sync.inventory.id_fields"]
    assert (outcome.examined, outcome.violations) == (5, 1)
    assert repr(outcome.samples[0].id) == repr(unfit)


def test_match_ids_without_documents_is_skipped(verdict: Verdict, provisioned: Database[dict[str, Any]]) -> None:
    provisioned["inventory"].delete_many({})
    assert verdict(SHIPPED)["sync.inventory.id_fields"].skipped == "inventory is empty"


@pytest.mark.parametrize(
    ("options", "fails"),
    [
        (None, "sync.orders.exists"),
        ({"viewOn": "stores"}, "sync.orders.exists"),
        ({"timeseries": {"timeField": "t"}}, "sync.orders.exists"),
        ({"capped": True, "size": 4096}, "sync.orders.not_capped"),
    ],
    ids=["missing", "view", "time series", "capped"],
)
def test_unsupported_kind_of_collection_is_reported(
    verdict: Verdict, provisioned: Database[dict[str, Any]], options: dict[str, Any] | None, fails: str
) -> None:
    provisioned.drop_collection("orders")
    if options is not None:
        provisioned.create_collection("orders", **options)
    outcomes = verdict(SHIPPED)
    assert failed(outcomes) == {fails}
    assert (outcomes[fails].examined, outcomes[fails].samples[0].ref) == (1, "orders")
    if fails.endswith("exists"):
        assert outcomes["sync.orders.not_capped"].skipped == "see sync.orders.exists"


def test_unsuitable_ids_are_found_by_the_index(provisioned: Database[dict[str, Any]]) -> None:
    plan = provisioned["orders"].find({"_id": {"$type": list(_UNFIT_TYPES)}}).explain()
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
