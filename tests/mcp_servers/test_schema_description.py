"""Descriptions of collections for assistants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp_servers.schema_description import describe
from tests.models import collection_of, model_of


def test_object_that_may_be_null_is_described_so(tmp_path: Path) -> None:
    place: dict[str, Any] = {"type": ["null", "object"], "x-crdt": "map", "additionalProperties": False}
    place |= {"required": ["city"], "properties": {"city": {"type": "string"}}}
    things = collection_of({"place": place}) | {"x-sync": {"enabled": True, "id_mapping": {"mode": "match_ids"}}}
    (described,) = describe(model_of(tmp_path, {"things": things}), {}, ["things"])
    types = {field.name: field.type for field in described.fields}
    assert types == {"_id": "objectid", "place": "map or null", "place.city": "string"}
