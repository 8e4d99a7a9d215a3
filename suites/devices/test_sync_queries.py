"""Every subscription and every DQL query of the product, on the real Ditto store and on MongoDB: the same documents.

The store and a scratch database hold the same documents. What is asked of MongoDB is the `find` or `pipeline` beside
each query in config/ditto_subscriptions.yaml, for every user who may sign in on the device. A query without one is run
on the store alone. The store has the devices' indexes, and each query the plan that it declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import allure
import pytest
from pymongo.database import Database

from conformance.config.configuration import filled
from conformance.ditto.engine import Step
from conformance.ditto.permissions import User
from conformance.ditto.subscriptions import DeviceQuery, values_for
from conformance.model.collection import Collection
from edge.store.statement_checker import steps
from suites.devices.edge_dataset import Document, Edge, text_of

Values = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Both:
    """The real store and a database with the same documents."""

    edge: Edge
    database: Database[Document]
    _values: dict[tuple[frozenset[str], str], Values] = field(default_factory=dict)

    def values(self, names: Iterable[str], user: User) -> Values | None:
        """Return values for the parameters as an app would; None if the documents have no such value.

        They are looked up once for each user, because tests only read the documents.
        """
        asked = frozenset(names), user.id
        if asked not in self._values:
            self._values[asked] = values_for(self.edge.subscriptions, sorted(asked[0]), user, self.database)
        values = self._values[asked]
        return None if None in values.values() else values

    def ids(self, collection: Collection, documents: Sequence[Document]) -> set[str]:
        """Return Ditto's _ids of MongoDB's documents as text, because some are objects."""
        return {text_of(one) for one in self.edge.ids(collection, documents)}


@pytest.fixture(autouse=True)
def labelled() -> None:
    """Allure's labels."""
    allure.dynamic.feature("Queries on the real store")


@pytest.fixture(scope="module")
def both(edge: Edge, scratch: Database[Document]) -> Iterator[Both]:
    """Yield the same documents twice."""
    for name, made in edge.documents.items():
        scratch[name].drop()
        scratch[name].insert_many(made)
    yield Both(edge, scratch)
    for name in edge.documents:
        scratch[name].drop()


def test_every_subscription_is_valid_and_equals_its_filter(both: Both, collection: Collection) -> None:
    """The test covers every user of the device, and requires documents for at least one."""
    entries = both.edge.subscriptions.of(collection.name)
    if not entries:
        pytest.skip("no device subscribes to it")
    for place, device, one in entries:
        sizes = []
        for user in [both.edge.super_manager] if device.user == "super_manager" else both.edge.people:
            values = both.values([*one.selection.parameters], user)
            if values is not None:
                both.edge.store.validate_subscription(one.query, values)
                held = {text_of(row["_id"]) for row in both.edge.store.execute(one.query, values)}
                if (meant := one.filter(values)) is not None:
                    found = list(both.database[collection.name].find(meant))
                    assert held == both.ids(collection, found), (place, user)
                sizes.append(len(held))
        assert any(sizes), f"{place} selects nothing for anybody"


def test_every_query_equals_its_filter(both: Both, collection: Collection) -> None:
    """The order is compared too; at a limit, documents with equal sort keys are interchangeable."""
    queries = [query for query in both.edge.subscriptions.queries if query.collection == collection.name]
    if not queries:
        pytest.skip("no app asks for it")
    for query in queries:
        sizes = []
        for user in both.edge.people:
            values = both.values(query.parameters, user)
            if values is None:
                continue
            rows = both.edge.store.execute(query.query, values)
            if query.find is not None:
                compare_documents(both, collection, query, values, rows)
            elif query.pipeline is not None:
                compare_rows(both, query, values, rows)
            sizes.append(len(rows))
        assert any(sizes), f"{query.name} finds nothing for anybody"


def compare_documents(
    both: Both, collection: Collection, query: DeviceQuery, values: Values, rows: Sequence[Document]
) -> None:
    """Compare the documents of a query with those of its filter."""
    cursor = both.database[collection.name].find(filled(query.find, values))
    everything = list(cursor.sort([*query.sort.items()]) if query.sort else cursor)
    expected = everything[: query.limit or None]
    assert [keys(row, query.sort) for row in rows] == [keys(one, query.sort) for one in expected], query.name
    asked = {text_of(row["_id"]) for row in rows}
    assert asked <= both.ids(collection, everything), query.name
    assert len(asked) == len(expected), query.name


def compare_rows(both: Both, query: DeviceQuery, values: Values, rows: Sequence[Document]) -> None:
    """Compare rows with those of a pipeline, without MongoDB's own _id, which rows do not select."""
    made = both.database[query.collection].aggregate(filled(list(query.pipeline or ()), values))
    expected = [{key: value for key, value in row.items() if key != "_id"} for row in made]
    found = [row for row in rows if row]  # of nothing, GROUP BY makes one row without a field (SDK 5.2.0.dev0)
    assert sorted(map(in_order, found)) == sorted(map(in_order, expected)), query.name


def in_order(row: Document) -> str:
    """Return a row as text, its keys in order."""
    return repr(sorted(row.items()))


def test_every_query_has_the_plan_that_it_declares(both: Both, collection: Collection) -> None:
    """Plans use the devices' indexes, the documents and every user's values; the rules use an empty store."""
    queries = [one for one in both.edge.subscriptions.queries if one.collection == collection.name and one.plan]
    if not queries:
        pytest.skip("no query declares a plan")
    for query in queries:
        for user in both.edge.people:
            values = both.values(query.parameters, user)
            if values is not None and query.plan is not None:
                plan = both.edge.store.execute(f"EXPLAIN {query.query}", values)
                found = [Step(**step | {"sought": tuple(step["sought"])}) for step in steps(plan)]
                assert list(query.plan.problems(found)) == [], query.name


def keys(document: Document, sort: Mapping[str, int]) -> list[Any]:
    """Return the values that a document is ordered by."""
    return [document.get(path) for path in sort]
