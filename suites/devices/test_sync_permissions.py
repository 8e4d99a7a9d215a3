"""Permissions on the real Ditto store, compared for each user with an independent computation.

What they should comes from the documents as they were generated, compared one by one in Python: it shares neither the
conditions of config/ditto_permissions.json nor the store with what it is held against.
"""

from __future__ import annotations

import allure
import pytest

from conformance.ditto.permissions import CHANGES, OPERATIONS, Operation, user_of
from conformance.model.collection import Collection
from edge.ditto_permissions import KINDS, compiled, permitted, subscription
from suites.devices.edge_dataset import Edge, ordered


@pytest.fixture(autouse=True)
def labelled() -> None:
    """Allure's labels."""
    allure.dynamic.feature("Permissions on the real store")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_user_has_exactly_their_permissions(edge: Edge, collection: Collection, operation: Operation) -> None:
    """The test covers every user; no user has permissions on excluded collections."""
    for user in edge.people:
        may = permitted(edge.store, edge.permissions, collection, user, operation)
        synced_and_done = collection.name in edge.mappings and edge.done(collection, operation)
        assert ordered(may) == (edge.ids(collection, edge.theirs(collection, user)) if synced_and_done else [])


def test_every_user_sees_a_part_of_the_documents(edge: Edge, collection: Collection) -> None:
    """The documents of these collections belong to users."""
    if edge.permissions.users.collection not in {reference.target for reference in collection.references}:
        pytest.skip("its documents belong to everybody")
    seen = [len(permitted(edge.store, edge.permissions, collection, user, "read")) for user in edge.people]
    assert all(0 < number < len(edge.documents[collection.name]) for number in seen)
    assert sum(seen) == len(edge.documents[collection.name])


def test_strangers_see_no_document(edge: Edge, collection: Collection) -> None:
    """The id is missing, empty, malformed, unknown, or similar to that of a user."""
    users = edge.documents[edge.permissions.users.collection]
    known = edge.people[0].id
    for strange in (None, "", " ", "nobody", known + " ", known[:-1], [known], {"$ne": None}, 0, True):
        user = user_of(edge.permissions, edge.model, users, strange)
        assert user is None
        for operation in OPERATIONS:
            assert permitted(edge.store, edge.permissions, collection, user, operation) == []
        given = compiled(edge.permissions, edge.model, edge.mappings, user)
        assert all(edge.store.execute(given.select(kind, collection.name)) == [] for kind in KINDS)


def test_super_manager_sees_every_document(edge: Edge, collection: Collection) -> None:
    """The store has synced collections only."""
    everything = edge.ids(collection, edge.documents[collection.name]) if collection.name in edge.mappings else []
    for operation in OPERATIONS:
        may = permitted(edge.store, edge.permissions, collection, edge.super_manager, operation)
        assert ordered(may) == everything
    given = compiled(edge.permissions, edge.model, edge.mappings, edge.super_manager)
    for kind in KINDS:
        assert ordered(row["_id"] for row in edge.store.execute(given.select(kind, collection.name))) == everything


def test_ditto_queries_select_the_allowed_documents_or_state_more(edge: Edge, collection: Collection) -> None:
    """The real engine runs the queries of Ditto's own format unchanged."""
    if collection.name not in edge.mappings:
        pytest.skip("it does not sync")
    for user in edge.people:
        given = compiled(edge.permissions, edge.model, edge.mappings, user)
        for kind, operations in KINDS.items():
            through = ordered(row["_id"] for row in edge.store.execute(given.select(kind, collection.name)))
            may = [ordered(permitted(edge.store, edge.permissions, collection, user, one)) for one in operations]
            reported = any(finding.startswith(f"{kind} {collection.name}:") for finding in given.findings)
            assert all({*map(repr, ids)} <= {*map(repr, through)} for ids in may)
            assert reported or all(ids == through for ids in may)


def test_subscription_selects_the_readable_documents(edge: Edge, collection: Collection) -> None:
    """The real engine accepts the filter, which selects exactly these documents."""
    for user in (*edge.people, edge.super_manager, None):
        dql, arguments = subscription(edge.permissions, collection, user)
        edge.store.validate_subscription(dql, arguments)
        held = ordered(row["_id"] for row in edge.store.execute(dql, arguments))
        assert held == ordered(permitted(edge.store, edge.permissions, collection, user, "read"))


def test_ditto_rejects_changes_that_no_rule_grants(edge: Edge) -> None:
    """Ditto rejects a change that is not granted, whatever its fields are."""
    for user in edge.people:
        written = compiled(edge.permissions, edge.model, edge.mappings, user).document["write"]["queriesByCollection"]
        granted = {
            collection.name
            for collection in edge.model
            if any(permitted(edge.store, edge.permissions, collection, user, operation) for operation in CHANGES)
        }
        assert granted <= written.keys()
        assert {
            rule.collection for rule in edge.permissions.rules if rule.operations == ("read",)
        } & written.keys() == set()
