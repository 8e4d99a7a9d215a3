"""docs/COMPARISON.md and the SQL twins cover exactly the named queries."""

from __future__ import annotations

import re

import pytest

from conformance.config.configuration import NamedQuery
from conformance.run.session import load_project
from suites.benchmarks.twin import SqlQuery, queries
from tests.conformance.embedded.processes import ROOT
from tests.validation import shipped_project

NAMED = {query.name: query for query in shipped_project().configuration.queries}
CELLS = (r"(?P<query>\w+)(, a year)?", r"[\d,]+", r"[\d.]+ ms", r"[\d.]+ ms", r"[\d.]+")
ROW = re.compile(r"^\| " + r" +\| ".join(CELLS) + r" +\|$", re.MULTILINE)
DOCUMENT = (ROOT / "docs" / "COMPARISON.md").read_text(encoding="utf-8")


def test_names_are_unique() -> None:
    assert len(NAMED) == len(load_project(ROOT).configuration.queries)


def test_sql_twins_match_the_named_queries() -> None:
    assert queries().keys() == NAMED.keys()


@pytest.mark.parametrize("query", NAMED.values(), ids=NAMED)
def test_twin_has_the_parameters_of_the_query(query: NamedQuery) -> None:
    assert set(re.findall(r"%\((\w+)\)s", queries()[query.name].sql)) == query.parameters.keys()


def test_every_query_is_in_the_comparison_with_its_measurements() -> None:
    listed = [row["query"] for row in ROW.finditer(DOCUMENT)]
    assert set(listed) == NAMED.keys()
    assert len(listed) == len(NAMED) + sum(bool(twin.also) for twin in queries().values())


DOCUMENTS = [
    {"_id": "o1", "total": 2.5, "at": {"aisle": "A1"}, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]},
    {"_id": "o2", "total": 1.0, "at": {"aisle": "B2"}, "lines": []},
]
COLUMNS = ("_id", "total", "at.aisle", "lines.sku", "lines.n")
ROWS = [("o1", 2.5, "A1", "b", 2), ("o1", 2.5, "A1", "a", 1)]


@pytest.mark.parametrize(
    ("columns", "rows", "difference"),
    [
        (COLUMNS, ROWS, ""),
        (COLUMNS, ROWS[:1], "2 of MongoDB's, 1 of PostgreSQL's"),
        (COLUMNS[:4], [row[:4] for row in ROWS], "no column tells lines.n"),
        (COLUMNS, [ROWS[0], ("o1", 2.5, "A1", "a", 3)], "['o1', 2.5, 'A1', 'a', 1] is ['o1', 2.5, 'A1', 'a', 3]"),
        (COLUMNS, [ROWS[0], ("o1", 2.6, "A1", "a", 1)], "['o1', 2.5, 'A1', 'a', 1] is ['o1', 2.6, 'A1', 'a', 1]"),
    ],
    ids=["same", "a row less", "a column less", "another number", "other money"],
)
def test_answers_are_compared_row_by_row(columns: tuple[str, ...], rows: list[tuple[object]], difference: str) -> None:
    assert SqlQuery("", rows="lines").differences(DOCUMENTS, columns, rows) == difference
