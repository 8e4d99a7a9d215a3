"""Paths of one value and of several, followed into documents and as an expression of the server."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.model.paths import all_values, dotted, is_single, steps, values_at

DOCUMENT: Document = {
    "a": {"b": 1},
    "tags": ["x", None, "y"],
    "items": [{"sku": "p"}, {}, "odd", {"sku": "q", "parts": [{"n": 1}, {"n": 2}]}, {"parts": "odd"}],
    "by_id": {"7": {"n": 3, "tags": ["z"]}, "8": "odd"},
    "grid": [[1, 2], [3], 4],
}
#: Path, how an index names it, and the places with their values.
PATHS: list[tuple[str, str | None, dict[str, Any]]] = [
    ("a.b", "a.b", {"a.b": 1}),
    ("a.c.d", "a.c.d", {}),
    ("tags[]", "tags", {"tags[0]": "x", "tags[1]": None, "tags[2]": "y"}),
    ("items[].sku", "items.sku", {"items[0].sku": "p", "items[3].sku": "q"}),
    ("items[].parts[].n", "items.parts.n", {"items[3].parts[0].n": 1, "items[3].parts[1].n": 2}),
    ("by_id.*.n", None, {"by_id.7.n": 3}),
    ("by_id.*.tags[]", None, {"by_id.7.tags[0]": "z"}),
    ("grid[][]", None, {"grid[0][0]": 1, "grid[0][1]": 2, "grid[1][0]": 3}),
    ("a.b[]", "a.b", {}),
    ("none.*", None, {}),
]


@pytest.mark.parametrize(("path", "index", "expected"), PATHS)
def test_values_at_a_path_have_their_places(path: str, index: str | None, expected: dict[str, Any]) -> None:
    assert dict(values_at(DOCUMENT, path)) == expected
    assert dotted(path) == index
    assert is_single(path) == (path in ("a.b", "a.c.d"))


def test_steps_of_a_path_are_names_and_marks() -> None:
    assert steps("items[].by_id.*.n") == ["items", "[]", "by_id", "*", "n"]


@pytest.mark.server
def test_server_finds_the_same_values(database: Database[Document]) -> None:
    """Nulls are left out; the values of a path with one value are a list, too."""
    database["things"].insert_many([DOCUMENT, {"items": {"sku": "p"}, "tags": "x", "by_id": [1], "grid": None}])
    stages = [{"$sort": {"_id": 1}}, {"$project": {f"p{n}": all_values(path) for n, (path, *_) in enumerate(PATHS)}}]
    first, second = database["things"].aggregate(stages)
    for number, (path, _, expected) in enumerate(PATHS):
        assert first[f"p{number}"] == [value for value in expected.values() if value is not None], path
        assert second[f"p{number}"] == [], path
