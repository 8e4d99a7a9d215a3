"""Pipelines of a caller: they show no documents of other stores, and those that could are rejected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from conformance.model.collection import Model
from mcp_servers.scoped_reader import Reader
from tests.mcp_servers.readers import HOSTILE, MINE, REFUSED, TRAPS, mine, reader_of
from tests.mcp_servers.shop import SUPER_MANAGER, Mongo, store_of

pytest_plugins = ["tests.mcp_servers.shop"]

__all__ = ["mine"]


STORE_SCOPED = {
    "inventory": "store_id",
    "orders": "store_id",
    "order_items": "store_id",
    "customers": "primary_store_id",
}


@pytest.fixture(scope="module")
def foreign(shop: Mongo) -> set[Any]:
    """Return the ids of all documents of other stores."""
    hidden: set[Any] = set()
    for name, field in STORE_SCOPED.items():
        hidden |= {str(one["_id"]) for one in shop[name].find({field: {"$ne": MINE}}, {"_id": 1})}
    hidden |= {one["rls_user_id"] for one in shop["stores"].find()}
    return hidden


def values(part: Any) -> Iterator[Any]:
    """Yield every value in a document, at any depth."""
    if isinstance(part, dict):
        for inner in part.values():
            yield from values(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from values(inner)
    else:
        yield part


@pytest.mark.parametrize(("collection", "pipeline"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_pipeline_shows_no_data_of_other_stores(
    mine: Reader,
    foreign: set[Any],
    monkeypatch: pytest.MonkeyPatch,
    collection: str,
    pipeline: list[dict[str, Any]],
) -> None:
    monkeypatch.setattr(
        "mcp_servers.scoped_reader._MAX_CHARACTERS", 10**9
    )  # an answer that is cut would hide what leaks
    rows = mine.foreign_rows(collection, pipeline, 5_000).documents
    assert not {value for value in values(rows) if value in foreign}
    assert "description_embedding" not in str(rows)


@pytest.mark.parametrize(("collection", "field"), STORE_SCOPED.items())
def test_pipeline_shows_all_data_of_the_own_store(mine: Reader, shop: Mongo, collection: str, field: str) -> None:
    """Otherwise the tests above would pass because nothing is visible."""
    found = mine.foreign_rows(collection, [{"$group": {"_id": f"${field}", "n": {"$sum": 1}}}], 100).documents
    number = shop[collection].count_documents({field: MINE})
    assert found == [{"_id": MINE, "n": number}]
    assert 0 < number < shop[collection].count_documents({})


@pytest.mark.parametrize(("collection", "pipeline"), [case[1:] for case in TRAPS], ids=[case[0] for case in TRAPS])
def test_errors_contain_no_data_of_other_stores(mine: Reader, collection: str, pipeline: list[dict[str, Any]]) -> None:
    assert mine.foreign_rows(collection, pipeline, 1_000).documents


def test_leaking_pipelines_leak_without_the_guard(model: Model, shop: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may see other stores runs into their errors; without the barrier the server reorders conditions."""
    manager = reader_of(model, shop, SUPER_MANAGER)
    for _, collection, pipeline in TRAPS:
        with pytest.raises(ToolError, match="the server rejected the query"):
            manager.foreign_rows(collection, pipeline, 1_000)
    monkeypatch.setattr("mcp_servers.query_guard.BARRIER", {"$skip": 0})
    fallen = 0
    for _, collection, pipeline in TRAPS:
        try:
            reader_of(model, shop, store_of(shop, MINE)).foreign_rows(collection, pipeline, 1_000)
        except ToolError:
            fallen += 1
    assert fallen


@pytest.mark.parametrize("case", REFUSED, ids=[case[0] for case in REFUSED])
@pytest.mark.parametrize("who", ["mine", "manager"])
def test_disallowed_pipeline_is_rejected(model: Model, shop: Mongo, case: tuple[str, str, Any, str], who: str) -> None:
    """The super manager may see everything, but write nothing either."""
    reader = reader_of(model, shop, SUPER_MANAGER if who == "manager" else store_of(shop, MINE))
    with pytest.raises(ToolError) as refused:
        reader.foreign_rows(case[1], case[2], 10)
    assert case[3] in str(refused.value)
    assert len(str(refused.value)) < 400
