"""DQL statements: those that the engine accepts are accepted, and those that it rejects are rejected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.language.dql.checks import refusals
from conformance.language.dql.functions import ARGUMENTS
from edge.store.statements import StatementError
from edge.store.store import Store
from tests.conformance.language.dql.invalid_statements import REFUSED
from tests.conformance.language.dql.statements import TAKEN

pytestmark = pytest.mark.ditto


ARGUMENTS_GIVEN: dict[str, Any] = {
    "l": [1, 2.5],
    "p": "abc",
    "o": {"x": 1},
    "d": {"_id": "z1"},
    "ids": ["a"],
    "x": 1,
    "missing": 1,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The engine, with a document that each INSERT conflicts with."""
    with Store.open(tmp_path_factory.mktemp("statements")) as opened:
        opened.insert("t", [{"_id": "a", "n": 1, "s": "abc", "arr": [1], "o": {"x": 1}, "c": 1}])
        yield opened


def engine_refuses(store: Store, text: str) -> str | None:
    """Return why the engine rejects the text of a statement; errors at run time are ignored."""
    try:
        store.execute(text, ARGUMENTS_GIVEN)
    except StatementError as error:
        return None if "Query failed" in str(error) else str(error)
    return None


def test_tables_have_the_required_size() -> None:
    assert len(TAKEN) >= 80
    assert len(REFUSED) >= 40


@pytest.mark.parametrize("text", TAKEN)
def test_statement_accepted_by_the_engine_is_accepted(store: Store, text: str) -> None:
    assert engine_refuses(store, text) is None
    assert refusals(text) == []


@pytest.mark.parametrize("text", REFUSED)
def test_statement_rejected_by_the_engine_is_rejected_in_one_line(store: Store, text: str) -> None:
    assert engine_refuses(store, text) is not None
    assert refusals(text)
    assert all("\n" not in why for why in refusals(text))


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_function_accepts_the_argument_counts_of_the_engine(store: Store, name: str) -> None:
    if name == "position":
        pytest.skip("it is written position(<text> IN <text>)")
    for number in range(7):
        text = f"SELECT {name}({', '.join(['n'] * number)}) AS x FROM t"  # noqa: S608 - names of a table
        if name == "count" and number == 0:
            text = "SELECT count(*) AS x FROM t"
        assert (engine_refuses(store, text) is None) is (refusals(text) == []), text
