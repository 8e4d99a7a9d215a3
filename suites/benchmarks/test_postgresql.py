"""The named queries on MongoDB and on PostgreSQL, with the same data and its own best indexes, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest

from conformance.checks.base import Context
from conformance.config.configuration import NamedQuery, filled
from conformance.rules.server.queries import values_for
from conformance.run.session import Project
from conformance.server.target import Target
from suites.benchmarks.tables import Tables, medians, megabytes
from suites.benchmarks.twin import fill, postgresql, queries

#: Turns at most, and seconds after which no other is begun.
ROUNDS: Final = 41
BUDGET: Final = 4.0
_QUERIES: Final = ("query", "rows", "MongoDB", "PostgreSQL", "MongoDB / PostgreSQL")
_SIZES: Final = (
    "collection / table",
    "MongoDB: data, stored",
    "MongoDB: indexes",
    "PostgreSQL: table",
    "PostgreSQL: indexes",
)


@pytest.fixture(scope="module")
def connection(target: Target) -> Iterator[Any]:
    """PostgreSQL with the validated dataset."""
    with postgresql() as connection:
        fill(connection, target.database)
        yield connection


def asked(target: Target, query: NamedQuery, values: Mapping[str, Any]) -> Callable[[], list[dict[str, Any]]]:
    """Return the query as an application asks MongoDB."""
    collection = target.database[query.collection]
    if query.pipeline is not None:
        pipeline = filled(query.pipeline, values)
        return lambda: list(collection.aggregate(pipeline))
    condition, sort = filled(query.find, values), list(filled(query.sort, values).items())
    return lambda: list(collection.find(condition, sort=sort or None, limit=query.limit))


def test_every_query_has_a_twin(project: Project) -> None:
    assert {query.name for query in project.configuration.queries} == queries().keys()


def test_named_queries(project: Project, target: Target, connection: Any, comparison: Tables) -> None:
    """The same rows from both, and the median time of each."""
    context = Context(project.model, project.configuration, project.settings, target.database, True, None)
    empty = medians(
        lambda: target.client.admin.command("ping"), lambda: connection.execute("SELECT 1").fetchall(), rounds=501
    )
    _report(comparison, "a question about nothing (ping, SELECT 1)", "", empty)
    for query in project.configuration.queries:
        twin = queries()[query.name]
        given = values_for(context, query)
        assert isinstance(given, Mapping), given
        for title, values in {query.name: given, f"{query.name}, a year": {**given, **twin.also}}.items():
            if values == given and title != query.name:
                continue
            mongo = asked(target, query, values)
            cursor = connection.execute(twin.sql, values)
            columns = [column.name for column in cursor.description]
            rows = cursor.fetchall()
            assert twin.differences(mongo(), columns, rows) == "", title
            sql = _sql(connection, twin.sql, values)
            _report(comparison, title, f"{len(rows):,}", medians(mongo, sql, rounds=ROUNDS, budget=BUDGET))


def _sql(connection: Any, sql: str, values: Mapping[str, Any]) -> Callable[[], object]:
    return lambda: connection.execute(sql, values).fetchall()


def _report(comparison: Tables, title: str, rows: str, times: list[float]) -> None:
    mongo, postgres = times
    cells = (f"{mongo * 1000:.2f} ms", f"{postgres * 1000:.2f} ms", f"{mongo / postgres:.2f}")
    comparison.row("Named queries", _QUERIES, title, rows, *cells)


def test_sizes(project: Project, target: Target, connection: Any, tables: Tables, comparison: Tables) -> None:
    """Measure the size of the same data on disk, with and without indexes."""
    sums = [0.0] * 4
    for collection in project.model:
        found = target.database.command("collStats", collection.name)
        size = "SELECT pg_table_size(%(name)s), pg_indexes_size(%(name)s)"
        table, indexes = connection.execute(size, {"name": collection.name}).fetchone()
        figures = [found["storageSize"], found["totalIndexSize"], table, indexes]
        sums = [one + other for one, other in zip(sums, figures, strict=True)]
        comparison.row("Sizes", _SIZES, f"`{collection.name}`", *map(megabytes, figures))
    comparison.row("Sizes", _SIZES, "all", *map(megabytes, sums))
    tables.ratio(
        f"MongoDB, collections and indexes: {megabytes(sums[0] + sums[1])}",
        f"PostgreSQL, tables and indexes: {megabytes(sums[2] + sums[3])}",
        (sums[0] + sums[1]) / (sums[2] + sums[3]),
        aim=1,
        guard=2,
    )
