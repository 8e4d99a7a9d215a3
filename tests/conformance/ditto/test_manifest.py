"""The BigPeerDataBridge: printed resources are valid and match the model; every kind of difference is one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator

from conformance.config.settings import Settings, load_settings
from conformance.ditto.connector import CONNECTOR_FILE, load_connector
from conformance.ditto.manifest import Bridged, Names, Plan, build, load_plan
from conformance.ditto.manifest_comparison import bridges, compare
from conformance.ditto.portal_sheet import portal_sheet
from conformance.errors import ConfigurationError
from conformance.files.yaml_documents import read_documents
from conformance.model.collection import IdMapping, Model
from edge.bridge.synced_collection import synced_collections
from tests.conformance.ditto.test_connector import altered

SCHEMA: Final = json.loads(Path(__file__).with_name("big_peer_data_bridge.schema.json").read_text(encoding="utf-8"))
NAMES: Final = Names("connector", "retail", "main", "mongodb", "connectionString")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with the default database, zava."""
    monkeypatch.delenv("MONGODB_DATABASE", raising=False)
    return load_settings(tmp_path / ".env")


@pytest.fixture
def plan(model: Model, settings: Settings) -> Plan:
    """Return the plan of the shipped configuration."""
    return load_plan(model, settings)


def as_text(plan: Plan) -> str:
    return yaml.safe_dump(build(plan, NAMES), sort_keys=False)


def lines_of(model: Model, plan: Plan, text: str) -> list[str]:
    """Return every difference of a text from the model, as printed."""
    return [each.describe("m.yaml") for each in compare(model, plan, bridges(read_documents(text, "m.yaml")))]


def variant(plan: Plan, **changes: Any) -> Plan:
    """Return the plan with other settings for orders."""
    return replace(plan, collections={**plan.collections, "orders": replace(plan.collections["orders"], **changes)})


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


ORDERS: Final = """        orders:
          fields:
          - order_id
          initialSync: true
          mode: native
          dqlStrictMode: false
"""
FIELDS: Final = "          fields:\n          - order_id\n"
#: The text of the printed manifest that is replaced, its replacement, the text whose line is named, and the rest of
#: that line.
DIFFERENCES: Final = {
    "missing collection": (
        ORDERS,
        "",
        "      collections:",
        "orders is not synced; fields [order_id] were expected; add it as `zava connector manifest` prints it",
    ),
    "extra collection": (
        ORDERS,
        ORDERS + "        notes: {fields: [_id]}\n",
        "        notes:",
        "notes is synced; the model has no such collection; remove it",
    ),
    "misspelt collection": (
        ORDERS,
        ORDERS + "        order: {fields: [_id]}\n",
        "        order:",
        "order is synced; the model has no such collection; remove it, or write orders",
    ),
    "excluded collection": (
        ORDERS,
        ORDERS + "        product_embeddings: {fields: [_id]}\n",
        "        product_embeddings:",
        "product_embeddings is synced; config/ditto_connector_config.yaml keeps it in MongoDB; remove it",
    ),
    "other way of making ids": (
        FIELDS,
        "          fields: [_id]\n",
        "          fields: [_id]",
        "orders.fields is [_id]; [order_id] was expected; write fields: [order_id]",
    ),
    "nested id field": (
        FIELDS,
        "          fields: [customer.id]\n",
        "          fields: [customer.id]",
        "orders.fields is [customer.id] ('customer.id' is not a top-level field); [order_id] was expected;"
        " write fields: [order_id]",
    ),
    "optional id field": (
        FIELDS,
        "          fields: [customer_email]\n",
        "          fields: [customer_email]",
        "orders.fields is [customer_email] ('customer_email' is optional, so a document without it could not sync);"
        " [order_id] was expected; write fields: [order_id]",
    ),
    "mutable id field": (
        FIELDS,
        "          fields: [status]\n",
        "          fields: [status]",
        "orders.fields is [status] ('status' is not immutable (x-immutable), so a change would create another"
        " document);"
        " [order_id] was expected; write fields: [order_id]",
    ),
    "id field of a type that no _id takes": (
        FIELDS,
        "          fields: [order_id, total]\n",
        "          fields: [order_id, total]",
        "orders.fields is [order_id, total] ('total' is a money, which Ditto does not accept in an _id); [order_id]"
        " was expected;"
        " write fields: [order_id]",
    ),
    "_id with another field": (
        FIELDS,
        "          fields: [_id, order_id]\n",
        "          fields: [_id, order_id]",
        "orders.fields is [_id, order_id] ('_id' can be used by match_ids only); [order_id] was expected;"
        " write fields: [order_id]",
    ),
    "id field given twice": (
        FIELDS,
        "          fields: [order_id, order_id]\n",
        "          fields: [order_id, order_id]",
        "orders.fields is [order_id, order_id]; [order_id] was expected; write fields: [order_id]",
    ),
    "unknown id field": (
        FIELDS,
        "          fields: [orderId]\n",
        "          fields: [orderId]",
        "orders.fields is [orderId] ('orderId' is not a field of orders); [order_id] was expected;"
        " write fields: [order_id]",
    ),
    "fields that are not a list": (
        FIELDS,
        "          fields: order_id\n",
        "          fields: order_id",
        'orders.fields is "order_id"; [order_id] was expected; write fields: [order_id]',
    ),
    "fields not set": (
        FIELDS,
        "",
        "        orders:",
        "orders.fields is not set; [order_id] was expected; write fields: [order_id]",
    ),
    "strict mode on": (
        ORDERS,
        ORDERS.replace("dqlStrictMode: false", "dqlStrictMode: true"),
        "dqlStrictMode: true",
        "orders.dqlStrictMode is true; false was expected; write dqlStrictMode: false",
    ),
    "strict mode not set": (
        ORDERS,
        ORDERS.replace("          dqlStrictMode: false\n", ""),
        "        orders:",
        "orders.dqlStrictMode is not set, which means true; false was expected; write dqlStrictMode: false",
    ),
    "initial sync off": (
        ORDERS,
        ORDERS.replace("initialSync: true", "initialSync: false"),
        "initialSync: false",
        "orders.initialSync is false; true was expected; write initialSync: true",
    ),
    "initial sync not set": (
        ORDERS,
        ORDERS.replace("          initialSync: true\n", ""),
        "        orders:",
        "orders.initialSync is not set, which means false; true was expected; write initialSync: true",
    ),
    "initial sync as a string": (
        ORDERS,
        ORDERS.replace("initialSync: true", "initialSync: 'true'"),
        "initialSync: 'true'",
        'orders.initialSync is "true"; true was expected; write initialSync: true',
    ),
    "mode": (
        ORDERS,
        ORDERS.replace("mode: native", "mode: ejson"),
        "mode: ejson",
        'orders.mode is "ejson"; native was expected; write mode: native',
    ),
    "misspelt key": (
        ORDERS,
        ORDERS + "          initalSync: true\n",
        "          initalSync: true",
        "orders has the key initalSync; one of fields, initialSync, mode, dqlStrictMode was expected;"
        " write initialSync",
    ),
    "a setting that no connector has": (
        "      database: zava\n",
        "      database: zava\n      ratePerSecond: 100\n",
        "      ratePerSecond",
        "mongoConnector has the key ratePerSecond; one of connectionSecret, database, collections was expected;"
        " remove it",
    ),
    "wrong database": (
        "database: zava",
        "database: zava_staging",
        "database: zava_staging",
        'database is "zava_staging"; zava was expected; write database: zava',
    ),
    "no database": (
        "      database: zava\n",
        "",
        "    mongoConnector:",
        "database is not set; zava was expected; write database: zava",
    ),
    "no label": (
        "    ditto.live/big-peer: main\n",
        "",
        "  labels:",
        "label ditto.live/big-peer is not set; the name of the big peer was expected;"
        " set ditto.live/big-peer below metadata.labels",
    ),
    "no secret": (
        "          name: mongodb\n          connectionString: connectionString\n",
        "",
        "      connectionSecret:",
        "connectionSecret does not name a secret; the secret with the connection string was expected;"
        " write it as `zava connector manifest` prints it",
    ),
    "another version": (
        "ditto.live/v1alpha1",
        "ditto.live/v1",
        "apiVersion: ditto.live/v1",
        'apiVersion is "ditto.live/v1"; ditto.live/v1alpha1 was expected; write apiVersion: ditto.live/v1alpha1',
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_difference_is_one_line_with_its_place(model: Model, plan: Plan, case: str) -> None:
    old, new, at, rest = DIFFERENCES[case]
    text = as_text(plan)
    assert text.count(old) == 1
    text = f"# A comment\n---\napiVersion: v1\nkind: Secret\n---\n{text.replace(old, new)}"
    # Search after the replaced part: entries of other collections contain the same lines.
    behind = text.index(new) if new and at in new else 0
    line = text[: text.index(at, behind)].count("\n") + 1
    assert lines_of(model, plan, text) == [f"m.yaml:{line}: {rest}"]


def test_field_that_is_not_unique_is_named(model: Model, plan: Plan) -> None:
    text = as_text(plan).replace(
        "inventory:\n          fields:\n          - _id", "inventory:\n          fields: [store_id]"
    )
    (line,) = lines_of(model, plan, text)
    assert line.partition(": ")[2] == (
        "inventory.fields is [store_id] (store_id: two documents may have the same value (no x-unique));"
        " [_id] was expected; write fields: [_id]"
    )


def test_order_of_id_fields_is_ignored(model: Model, plan: Plan) -> None:
    wanted = variant(plan, mapping=IdMapping("multiple_fields", ("store_id", "order_id")))
    text = as_text(wanted).replace("- store_id\n          - order_id", "- order_id\n          - store_id")
    assert text != as_text(wanted)
    assert lines_of(model, wanted, text) == []


def test_strict_mode_is_not_compared_in_mode_ejson(model: Model, plan: Plan) -> None:
    """Strict mode is off in this mode, whatever the resource states."""
    wanted = variant(plan, mode="ejson")
    text = as_text(wanted).replace("mode: ejson\n          dqlStrictMode: false", "mode: ejson")
    assert text != as_text(wanted)
    assert lines_of(model, wanted, text) == []


def test_other_resources_are_ignored(plan: Plan) -> None:
    others = """
apiVersion: ditto.live/v1alpha1
kind: BigPeer
---
apiVersion: example.com/v1
kind: BigPeerDataBridge
---
apiVersion: ditto.live/v1alpha1
kind: BigPeerDataBridge
spec: {bridge: {kafka: {topic: a}}}
---
"""
    assert bridges(read_documents(others, "m.yaml")) == []
    assert len(bridges(read_documents(others + as_text(plan), "m.yaml"))) == 1


def test_items_of_a_list_are_compared(model: Model, plan: Plan) -> None:
    """`kubectl get -o yaml` prints one document of kind List."""
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [build(plan, NAMES)]})
    assert lines_of(model, plan, text) == []
    assert len(bridges(read_documents(text, "m.yaml"))) == 1


def test_collections_may_be_divided_among_bridges_but_not_repeated(model: Model, plan: Plan) -> None:
    names = list(plan.collections)
    first, second = ({name: plan.collections[name] for name in part} for part in (names[:3], names[3:]))
    parts = [as_text(replace(plan, collections=part)) for part in (first, second)]
    assert lines_of(model, plan, "---\n".join(parts)) == []
    repeated = "---\n".join([as_text(plan), parts[0]])
    first_lines = [as_text(plan).splitlines().index(f"        {name}:") + 1 for name in names[:3]]
    assert [each.partition(": ")[2] for each in lines_of(model, plan, repeated)] == [
        f"{name} is synced by two bridges (the first on line {line}); one was expected; remove it from one"
        for name, line in zip(names, first_lines, strict=False)
    ]


def test_resource_without_a_connector_lacks_every_collection(model: Model, plan: Plan) -> None:
    found = lines_of(model, plan, "kind: BigPeerDataBridge\n")
    assert len(found) == len(plan.collections) + 3
    assert all(each.startswith("m.yaml:1: ") for each in found)


def test_merge_keys_are_applied(model: Model, plan: Plan) -> None:
    text = as_text(plan).replace(
        ORDERS,
        "        orders:\n          <<: {initialSync: true, mode: native, dqlStrictMode: true}\n"
        "          fields: [order_id]\n          dqlStrictMode: false\n",
    )
    assert lines_of(model, plan, text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "m.yaml:2: not valid YAML: "),
        ("a: 1\n---\nb: 1\nb: 2\n", "m.yaml:4: not valid YAML: the key 'b' occurs twice; remove one"),
        ("a: \x00\n", "m.yaml: not valid YAML: "),
        ("[" * 200 + "]" * 200, "m.yaml: it is nested more than 100 deep"),
    ],
)
def test_file_that_is_not_yaml_is_one_error(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_documents(text, "m.yaml")
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


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
