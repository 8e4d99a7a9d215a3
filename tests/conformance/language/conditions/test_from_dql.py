"""A condition of DQL selects the same documents by the engine, by MongoDB's filter, and in Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.ditto.selection import parse_subscription
from conformance.language.conditions.condition import Comparison, Computed, holds, is_computed
from conformance.language.conditions.translation import to_mongo
from conformance.language.dql.syntax import Operation, Path
from edge.store.store import Store

DOCUMENTS: Final[list[dict[str, Any]]] = [
    {"_id": "a", "n": 1, "s": "abc", "b": True, "d": "2024-01-02T00:00:00Z"},
    {"_id": "b", "n": 2.5, "s": "Abd", "b": False, "d": "2024-02-02"},
    {"_id": "c", "n": "7", "s": 5, "d": "2023"},
    {"_id": "d"},
    {"_id": "e", "n": -3, "s": "a.c\n", "b": True},
    {"_id": "f", "n": 1.0, "s": "50%", "d": ""},
]
ARGUMENTS: Final = {"since": "2024-01-15", "list": [1, 2.5], "words": "a%"}

TESTS = [
    "n > 1", "n >= 1", "n < 2.5", "1 < n", "2.5 >= n", "n BETWEEN 1 AND 2", "NOT n BETWEEN 1 AND 2", "NOT n > 1",
    "NOT (n = 1)", "n != 1", "NOT (n != 1)", "n IN (1, 2.5)", "n NOT IN (1, 3)", "n IN [1, 5]", "n IN :list",
    "s LIKE 'a%'", "s NOT LIKE 'a%'", "s ILIKE 'A_C%'", "s LIKE 'a.c_'", "s LIKE :words", "s LIKE '50%'", "b", "NOT b",
    "d >= :since", "d < '2024'", "NOT d < '2024'", "d > '' AND d <= '2024'", "n IS MISSING", "n IS NOT MISSING",
    "NOT n IS MISSING", "d IS NULL", "d IS NOT NULL", "NOT (n = 1 AND b)", "NOT (n = 1 OR d IS MISSING)",
    "n = 1 AND (b OR s = '50%')", "TRUE", "FALSE", "NOT TRUE", "n = -3", "t.n = 1",
]  # fmt: skip
#: Tests that only the engine evaluates.
ONLY_ENGINE = [
    "n + 1 = 2", "lower(s) = 'abc'", "n = s", "_id = 'a'", "_id.x = 1", "n NOT IN :list", "n = NULL", "n IS UNKNOWN",
    "CASE WHEN b THEN TRUE ELSE FALSE END", "ANY x IN s SATISFIES x = 1 END", "n > clock()", "arr[0] = 1",
    "s LIKE lower('A%')", "n IN (1, n)",
]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The engine with the documents."""
    with Store.open(tmp_path_factory.mktemp("conditions")) as opened:
        opened.insert("t", DOCUMENTS)
        yield opened


@pytest.fixture(scope="module")
def filled(server: MongoClient[Any]) -> Iterator[Database[Any]]:
    """MongoDB with the documents."""
    server.drop_database("dql_conditions")
    server["dql_conditions"]["t"].insert_many(DOCUMENTS)
    yield server["dql_conditions"]
    server.drop_database("dql_conditions")


@pytest.mark.ditto
@pytest.mark.parametrize("test", TESTS)
def test_condition_selects_the_same_documents_everywhere(store: Store, filled: Database[Any], test: str) -> None:
    query = f"SELECT * FROM t WHERE {test}"  # noqa: S608 - of the table above
    condition = parse_subscription(query).bound(ARGUMENTS)
    assert not is_computed(condition)
    by_engine = {row["_id"] for row in store.execute(query, ARGUMENTS)}
    assert {row["_id"] for row in filled["t"].find(to_mongo(condition))} == by_engine
    assert {one["_id"] for one in DOCUMENTS if holds(condition, one)} == by_engine


@pytest.mark.parametrize("test", ONLY_ENGINE)
def test_comparison_beyond_a_field_and_a_value_is_computed(test: str) -> None:
    condition = parse_subscription(f"SELECT * FROM t WHERE {test}").condition  # noqa: S608
    assert is_computed(condition)
    with pytest.raises(TypeError, match="only Ditto's engine"):
        to_mongo(condition)


def test_computed_part_keeps_other_parts_readable() -> None:
    condition = parse_subscription("SELECT * FROM t WHERE n = 1 AND lower(s) = 'x' AND NOT a > 2").condition
    assert [type(part) for part in condition.parts] == [Comparison, Computed, Comparison]  # type: ignore[union-attr]


def test_negated_computed_test_stays_negated() -> None:
    condition = parse_subscription("SELECT * FROM t WHERE NOT n = s").condition
    assert condition == Computed(Operation("NOT", (Operation("=", (Path(("n",)), Path(("s",)))),)))
