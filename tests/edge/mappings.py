"""Collections with each id mapping, and the exact comparison of values."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest

from conformance.model.collection import Collection, IdMapping
from edge.store.sdk import unavailable
from edge.store.store import Store
from tests.models import collection_of, model_of

TEXT = {"type": "string"}
MATCH = IdMapping("match_ids", ())
SINGLE = IdMapping("single_field", ("code",))
SEVERAL = IdMapping("multiple_fields", ("code", "place"))
HEX = "65a4f0c8e4b0a1b2c3d4e5f6"
numbers = count()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    with Store.open(tmp_path_factory.mktemp("values") / "store") as opened:
        yield opened


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A collection whose _id is text; ``owner`` and ``part.maker`` are ObjectIds."""
    part = {
        "type": "object",
        "x-crdt": "map",
        "additionalProperties": False,
        "required": ["maker"],
        "properties": {"maker": {"x-bson": "objectId"}},
    }
    fields = {"_id": TEXT, "code": TEXT, "place": TEXT, "owner": {"x-bson": "objectId"}, "part": part}
    return model_of(tmp_path_factory.mktemp("things"), {"things": collection_of(fields)})["things"]


def exact(value: Any) -> Any:
    """Return a value that equals another only if types, order of arrays, and bits of doubles are equal."""
    if isinstance(value, dict):
        return {name: exact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return type(value), struct.pack("<d", value) if isinstance(value, float) else value


def through(store: Store, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document as read back from the store."""
    store.insert("things", [document])
    rows = store.execute("SELECT * FROM things WHERE _id = :id", {"id": document["_id"]})
    assert len(rows) == 1
    return rows[0]


def nested(levels: int, *, array: bool) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if array else {"k": value}
    return value
