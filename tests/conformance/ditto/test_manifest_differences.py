"""Comparison of a BigPeerDataBridge with the model: every kind of difference is one line."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from conformance.ditto.manifest import Plan, build
from conformance.ditto.manifest_comparison import bridges
from conformance.errors import ConfigurationError
from conformance.files.yaml_documents import read_documents
from conformance.model.collection import IdMapping, Model
from tests.conformance.ditto.differences import DIFFERENCES, ORDERS
from tests.conformance.ditto.manifests import NAMES, as_text, lines_of, plan, settings, variant

__all__ = ["plan", "settings"]


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
