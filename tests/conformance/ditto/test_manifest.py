"""The BigPeerDataBridge that is printed: valid, in the order of the documentation, and as on the portal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator

from conformance.config.settings import Settings
from conformance.ditto.connector import CONNECTOR_FILE, load_connector
from conformance.ditto.manifest import Bridged, Plan, build, load_plan
from conformance.ditto.portal_sheet import portal_sheet
from conformance.errors import ConfigurationError
from conformance.model.collection import IdMapping, Model
from edge.bridge.synced_collection import synced_collections
from tests.conformance.ditto.manifests import NAMES, as_text, lines_of, plan, settings, variant
from tests.conformance.ditto.test_connector import altered

__all__ = ["plan", "settings"]


SCHEMA: Final = json.loads(Path(__file__).with_name("big_peer_data_bridge.schema.json").read_text(encoding="utf-8"))


VARIANTS: Final[list[dict[str, Any]]] = [
    {},
    {"initial_sync": False},
    {"strict_mode": True},
    {"mode": "ejson"},
    {"mapping": IdMapping("multiple_fields", ("store_id", "order_id"))},
    {"mapping": IdMapping("match_ids", ())},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_printed_manifest_is_valid_and_has_no_difference(model: Model, plan: Plan, changes: dict[str, Any]) -> None:
    wanted = variant(plan, **changes)
    resource = build(wanted, NAMES)
    Draft202012Validator(SCHEMA).validate(resource)
    text = yaml.safe_dump(resource, sort_keys=False)
    assert yaml.safe_load(text) == resource
    assert lines_of(model, wanted, text) == []
    assert text == yaml.safe_dump(build(wanted, NAMES), sort_keys=False)


def test_manifest_has_the_documented_keys_in_order(plan: Plan) -> None:
    only = replace(plan, collections={"orders": plan.collections["orders"]})
    assert as_text(only) == (
        """apiVersion: ditto.live/v1alpha1
kind: BigPeerDataBridge
metadata:
  name: connector
  labels:
    ditto.live/app: retail
    ditto.live/big-peer: main
spec:
  bridge:
    mongoConnector:
      connectionSecret:
        kubernetesSecret:
          name: mongodb
          connectionString: connectionString
      database: zava
      collections:
        orders:
          fields:
          - order_id
          initialSync: true
          mode: native
          dqlStrictMode: false
"""
    )


def test_namespace_is_written_only_if_given(plan: Plan) -> None:
    assert "namespace" not in build(plan, NAMES)["metadata"]
    resource = build(plan, replace(NAMES, namespace="ditto"))
    assert resource["metadata"]["namespace"] == "ditto"
    Draft202012Validator(SCHEMA).validate(resource)


@pytest.mark.parametrize("key", ["initalSync", "rateLimit"])
def test_schema_rejects_an_unknown_key(plan: Plan, key: str) -> None:
    resource = build(plan, NAMES)
    resource["spec"]["bridge"]["mongoConnector"]["collections"]["orders"][key] = True
    assert not Draft202012Validator(SCHEMA).is_valid(resource)


# The configuration of single collections


ENTRY: Final = "    id_mapping: {mode: single_field, field: order_id}"


@pytest.mark.parametrize(
    ("added", "changes"),
    [
        ("initial_sync: false", {"initial_sync": False}),
        ("strict_mode: true", {"strict_mode": True}),
        ("mode: ejson", {"mode": "ejson", "strict_mode": False}),
        ("mode: native", {}),
    ],
)
def test_entry_overrides_the_settings(
    tmp_path: Path, plan: Plan, settings: Settings, added: str, changes: dict[str, Any]
) -> None:
    model, _ = altered(tmp_path, ENTRY, f"{ENTRY}\n    {added}")
    assert load_plan(model, settings) == variant(plan, **changes)


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("initial_sync: 1", "at collections.7.initial_sync: write true or false"),
        ("strict_mode: 'no'", "at collections.7.strict_mode: write true or false"),
        ("mode: json", "at collections.7.mode: there is no such value"),
        ("strict: true", "at collections.7.strict: there is no such key; did you mean strict_mode?"),
        ("mode: ejson\n    strict_mode: true", "at collections.7: mode ejson switches strict mode off"),
    ],
)
def test_invalid_setting_of_an_entry_is_one_error(tmp_path: Path, added: str, message: str) -> None:
    model, _ = altered(tmp_path, ENTRY, f"{ENTRY}\n    {added}")
    with pytest.raises(ConfigurationError) as raised:
        load_connector(model)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("strict_mode: true", "orders has strict_mode true; the bridge uses that of settings for all collections"),
    ],
)
def test_bridge_rejects_unsupported_settings(tmp_path: Path, added: str, message: str) -> None:
    model, line = altered(tmp_path, ENTRY, f"{ENTRY}\n    {added}")
    with pytest.raises(ConfigurationError) as raised:
        synced_collections(model, load_connector(model))
    assert str(raised.value).startswith(f"{model.config(CONNECTOR_FILE)}:{line + 1}: {message}")


def test_bridge_applies_the_settings_of_each_entry(tmp_path: Path) -> None:
    model, _ = altered(tmp_path, ENTRY, f"{ENTRY}\n    initial_sync: false")
    synced = synced_collections(model, load_connector(model))
    assert not synced["orders"].initial_sync
    assert synced["stores"].initial_sync


# The portal's form


def test_portal_sheet_has_the_order_of_the_form() -> None:
    plan = Plan(
        "shop",
        {
            "a": Bridged(IdMapping("match_ids", ()), True, False, "native"),
            "bb": Bridged(IdMapping("multiple_fields", ("x", "y")), False, True, "native"),
            "c": Bridged(IdMapping("single_field", ("z",)), True, False, "ejson"),
        },
        ["d"],
    )
    assert portal_sheet(plan) == (
        """Ditto portal: MongoDB Connector
Printed by `zava connector portal` from config/ditto_connector_config.yaml. Enter the values in this order.

1. Connection string   mongodb+srv://... of the connector's user. The portal accepts SRV addresses only.
2. Database            shop
3. Collections         3, each with its ID mapping and initial sync:

   collection  ID mapping             initial sync
   a           Match IDs              on
   bb          Multiple fields: x, y  off
   c           Single field: z        on

Do not add: d.

Strict mode and mode are not documented as fields of the form. Ask Ditto to set them if the form lacks them:
   native, strict mode off: a
   native, strict mode on: bb
   ejson (strict mode is off): c
"""
    )
