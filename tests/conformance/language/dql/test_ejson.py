"""Statements on Extended JSON: exactly the reported ones have other results on the real engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from conformance.language.dql.ejson import form_of, misuses
from conformance.language.dql.parser import parse_statement
from edge.store.sdk import unavailable
from edge.store.store import Store

NUMBERS = (9.0, 100.5, 24.0)
#: A statement on plain numbers, the statement on their Extended JSON, and what is reported of the latter.
STATEMENTS: Mapping[str, tuple[str, str, list[str]]] = {
    "greater": ("SELECT _id FROM c WHERE n > 20", "SELECT _id FROM c WHERE n > 20", ["compares it (>)"]),
    "equal": ("SELECT _id FROM c WHERE n = 9", "SELECT _id FROM c WHERE n = 9", ["compares it with a plain value (=)"]),
    "not equal": (
        "SELECT _id FROM c WHERE n != 9",
        "SELECT _id FROM c WHERE n != 9",
        ["compares it with a plain value (!=)"],
    ),
    "in": (
        "SELECT _id FROM c WHERE n IN (9, 24)",
        "SELECT _id FROM c WHERE n IN (9, 24)",
        ["compares it with a plain value (IN)"],
    ),
    "between": (
        "SELECT _id FROM c WHERE n BETWEEN 10 AND 30",
        "SELECT _id FROM c WHERE n BETWEEN 10 AND 30",
        ["compares it (BETWEEN)"],
    ),
    "within": (
        "SELECT _id FROM c WHERE t = 'x' AND NOT (n > 20)",
        "SELECT _id FROM c WHERE t = 'x' AND NOT (n > 20)",
        ["compares it (>)"],
    ),
    "sum": ("SELECT sum(n) AS s FROM c", "SELECT sum(n) AS s FROM c", ["computes sum()"]),
    "product": (
        "SELECT n * 2 AS s FROM c ORDER BY _id",
        "SELECT n * 2 AS s FROM c ORDER BY _id",
        ["computes with it (*)"],
    ),
    "order": ("SELECT _id FROM c ORDER BY n", "SELECT _id FROM c ORDER BY n", ["sorts by it"]),
    "object cast": (
        "SELECT _id FROM c WHERE CAST(n AS FLOAT) > 20",
        "SELECT _id FROM c WHERE CAST(n AS FLOAT) > 20",
        ["casts the object"],
    ),
    "text greater": (
        "SELECT _id FROM c WHERE n > 20",
        "SELECT _id FROM c WHERE n.`$numberDouble` > '20.0'",
        ["compares it (>)"],
    ),
    "text sorted": ("SELECT _id FROM c ORDER BY n", "SELECT _id FROM c ORDER BY n.`$numberDouble`", ["sorts by it"]),
    "cast": (
        "SELECT _id FROM c WHERE n > 20",
        "SELECT _id FROM c WHERE CAST(n.`$numberDouble` AS FLOAT) > 20",
        [],
    ),
    "cast and sorted": (
        "SELECT _id FROM c ORDER BY n DESC",
        "SELECT _id FROM c ORDER BY CAST(n.`$numberDouble` AS FLOAT) DESC",
        [],
    ),
    "cast and added": (
        "SELECT sum(n) AS s FROM c",
        "SELECT sum(CAST(n.`$numberDouble` AS FLOAT)) AS s FROM c",
        [],
    ),
    "text equal": ("SELECT _id FROM c WHERE n = 9", "SELECT _id FROM c WHERE n.`$numberDouble` = '9.0'", []),
    "object equal": ("SELECT _id FROM c WHERE n = 9", "SELECT _id FROM c WHERE n = :form", []),
    "counted": ("SELECT count(n) AS s FROM c", "SELECT count(n) AS s FROM c", []),
    "missing": ("SELECT _id FROM c WHERE n IS MISSING", "SELECT _id FROM c WHERE n IS MISSING", []),
    "text field": (
        "SELECT _id FROM c WHERE t > 'a' ORDER BY t, _id",
        "SELECT _id FROM c WHERE t > 'a' ORDER BY t, _id",
        [],
    ),
}


def reported(text: str) -> list[str]:
    found = misuses(parse_statement(text), lambda _, path: path == "n", lambda name: name != "form")
    return [one.what for one in found]


@pytest.mark.parametrize("case", STATEMENTS)
def test_misused_extended_json_is_reported(case: str) -> None:
    _, text, message = STATEMENTS[case]
    assert reported(text) == message


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """The same three documents with plain numbers, and with Extended JSON."""
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("stores")
    with Store.open(folder / "plain") as plain, Store.open(folder / "ejson") as ejson:
        plain.insert("c", [{"_id": str(place), "n": n, "t": "x"} for place, n in enumerate(NUMBERS)])
        forms = [{"$numberDouble": repr(n)} for n in NUMBERS]
        ejson.insert("c", [{"_id": str(place), "n": form, "t": "x"} for place, form in enumerate(forms)])
        yield plain, ejson


@pytest.mark.ditto
@pytest.mark.parametrize("case", STATEMENTS)
def test_engine_results_differ_exactly_for_reported_statements(stores: tuple[Store, Store], case: str) -> None:
    on_numbers, on_forms, message = STATEMENTS[case]
    arguments: dict[str, Any] = {"form": {"$numberDouble": "9.0"}} if ":form" in on_forms else {}
    found, expected = stores[1].execute(on_forms, arguments), stores[0].execute(on_numbers)
    if "ORDER BY" not in on_forms:
        found, expected = sorted(found, key=str), sorted(expected, key=str)
    assert (found == expected) == (message == [])


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("total", ("total", "")),
        ("total.$numberDouble", ("total", "$numberDouble")),
        ("a.b.$date.$numberLong", ("a.b", "$date.$numberLong")),
    ],
)
def test_path_is_divided_before_its_type_key(path: str, parts: tuple[str, str]) -> None:
    assert form_of(path) == parts
