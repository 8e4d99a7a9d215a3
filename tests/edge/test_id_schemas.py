"""Schemas of ids that are objects: rejected ones, and the equality of their keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.errors import ConfigurationError
from edge.document_keys import key_of
from tests.edge.id_schemas import SKU, object_id
from tests.models import collection_of, model_of


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (object_id(a={"type": "number"}), "at /properties/_id/properties/a: a number cannot be part of an _id"),
        (object_id(), "at /properties/_id/properties: an _id without parts tells no documents apart"),
        (object_id(a=SKU) | {"required": []}, "at /properties/_id/properties/a: a is optional"),
        (object_id(a=SKU) | {"x-crdt": "map"}, "at /properties/_id/x-crdt: an _id never changes"),
        (object_id(a=object_id(b=SKU)), "at /properties/_id/properties/a: a map cannot be part of an _id"),
    ],
)
def test_invalid_id_schema_is_rejected(identity: Mapping[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        model_of(tmp_path, {"things": collection_of({"_id": identity})})


@pytest.mark.parametrize(
    ("x_id", "properties", "message"),
    [
        ({"parts": ["b"]}, {}, "at /x-id/parts: 'b' is not both a part of _id and a field"),
        ({"parts": ["a"]}, {"a": {"type": "string"}}, "at /x-id/parts: _id.a and a do not take the same values"),
        ({"parts": ["a"]}, {"a": SKU, "_id": SKU}, "at /x-id/parts: _id is not an object"),
    ],
)
def test_id_parts_without_an_equal_field_are_rejected(
    x_id: Mapping[str, Any], properties: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    schema = collection_of({"_id": object_id(a=SKU), **properties}) | {"x-id": x_id}
    with pytest.raises(ConfigurationError, match=message):
        model_of(tmp_path, {"things": schema})


def test_reference_to_an_object_id_is_rejected(tmp_path: Path) -> None:
    things = collection_of({"_id": object_id(a=SKU)})
    others = collection_of({"thing": {**object_id(a=SKU), "x-reference": "things._id"}})
    with pytest.raises(ConfigurationError, match=r"things\._id is an object; refer to a unique field"):
        model_of(tmp_path, {"things": things, "others": others})


def test_keys_of_objects_do_not_depend_on_the_order_of_names() -> None:
    assert key_of({"a": 1, "b": "x"}) == key_of({"b": "x", "a": 1})
