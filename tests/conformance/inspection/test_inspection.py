"""Every finding on databases in the shapes of public ones, by path and count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.errors import TargetError
from conformance.inspection.inspection import Inspection, inspect
from conformance.inspection.samples import shown_path
from tests.conformance.inspection.databases import ALL, fill

pytestmark = pytest.mark.server

#: By database: the id of every failed or warned result about data, and its number of violations.
EXPECTED: dict[str, dict[str, int]] = {
    "films": {
        "security.users.secrets:password": 12,
        "security.users.personal-data": 12,
        "security.comments.personal-data": 60,
        "crdt.movies.not-finite:tomatoes/viewer/rating": 1,
        "crdt.movies.mixed-types:year": 3,
        "crdt.movies.mixed-types:imdb/rating": 1,
        "crdt.movies.arrays:genres": 30,
        "crdt.movies.arrays:cast": 30,
        "crdt.movies.dates:released": 30,
        "crdt.movies.nulls:rated": 4,
        "crdt.movies.date-texts:lastupdated": 1,
        "crdt.comments.dates:date": 60,
        "crdt.comments.object-ids:movie_id": 60,
        "crdt.theaters.arrays:location/geo/coordinates": 8,
        "references.comments.candidate:movie_id": 1,
    },
    "bank": {
        "security.customers.personal-data": 40,
        "crdt.accounts.arrays:products": 100,
        "uniqueness.accounts.near-key:account_id": 2,
        "crdt.customers.arrays:accounts": 40,
        "crdt.customers.dates:birthdate": 40,
        "crdt.customers.arrays:tier_and_details/*/benefits": 39,
        "crdt.transactions.arrays:transactions": 21,
        "crdt.transactions.dates:transactions/[]/date": 21,
        "crdt.transactions.decimals:transactions/[]/total": 21,
        "crdt.transactions.number-texts:transactions/[]/price": 21,
        "references.transactions.candidate:account_id": 1,
    },
    "restaurants": {
        "crdt.restaurants.mixed-types:rating": 5,
        "crdt.restaurants.blank-names:type%20of%20food": 25,
        "crdt.restaurants.arrays:address/coord": 25,
        "crdt.restaurants.arrays:grades": 25,
        "crdt.restaurants.dates:grades/[]/date": 25,
        "crdt.restaurants.nulls:grades/[]/score": 1,
        "crdt.neighborhoods.arrays:geometry/coordinates": 5,
        "crdt.neighborhoods.arrays:geometry/coordinates/[]": 5,
        "crdt.neighborhoods.arrays:geometry/coordinates/[]/[]": 5,
    },
    "kitchen": {
        "crdt.Orders-2023.not-replicated:note": 1,
        "crdt.Orders-2023.binary:ticket": 2,
        "crdt.Orders-2023.large-integers:total": 1,
        "crdt.Orders-2023.names:saleItemIds/*": 20,
        "crdt.Orders-2023.names:__v": 10,
        "crdt.Orders-2023.mixed-types:note": 1,
        "crdt.Orders-2023.mixed-types:ticket": 2,
        "crdt.categories.nulls:parent_id": 1,
        "documents.categories.characters:name": 1,
        "references.sale%2Eitems.deleted:categoryId": 1,
        "crdt.sale%2Eitems.names:price%2Eusd": 12,
        "security.sale%2Eitems.named-secrets:apiKey": 12,
    },
    "stores": {
        "crdt.stores.nulls:city": 4,
        "crdt.stores.nulls:closed_at": 16,
        "security.stores.personal-data": 16,
        "security.storeSales2.personal-data": 50,
        "crdt.storeSales2.dates:saleDate": 50,
        "crdt.storeSales2.arrays:items": 50,
        "crdt.storeSales2.arrays:items/[]/tags": 50,
        "crdt.storeSales2.decimals:items/[]/price": 50,
        "crdt.storeSales2.nulls:customer/satisfaction": 3,
    },
}
#: Every reference that a person would draw.
REFERENCES: dict[str, set[tuple[str, str, str]]] = {
    "films": {("comments", "movie_id", "movies._id")},
    "bank": {
        ("customers", "accounts[]", "accounts.account_id"),
        ("transactions", "account_id", "accounts.account_id"),
    },
    "restaurants": set(),
    "kitchen": {
        ("categories", "parent_id", "categories._id"),
        ("sale.items", "categoryId", "categories._id"),
    },
    "stores": {("storeSales2", "store", "stores._id")},
}


@pytest.fixture(scope="module", params=list(ALL))
def inspected(request: pytest.FixtureRequest, server: MongoClient[dict[str, Any]]) -> Iterator[tuple[str, Inspection]]:
    database = server[f"inspected_{request.param}"]
    server.drop_database(database.name)
    fill(database, ALL[request.param]())
    yield request.param, inspect(database)
    server.drop_database(database.name)


#: Findings that every database without a model has.
COMMON = (".images", ".soft-delete", "._database.", "validators.", "indexes.")


def test_findings_have_the_expected_paths_and_counts(inspected: tuple[str, Inspection]) -> None:
    name, inspection = inspected
    found = {
        result.id: result.violations
        for result in inspection.results
        if result.status in ("failed", "warned") and not any(part in result.id for part in COMMON)
    }
    assert found == EXPECTED[name]


def test_references_equal_those_found_by_hand(inspected: tuple[str, Inspection]) -> None:
    name, inspection = inspected
    found = {(each.collection, shown_path(each.path), f"{each.target}.{each.field}") for each in inspection.references}
    assert found == REFERENCES[name]


def test_every_finding_has_its_consequences_a_fix_and_samples(inspected: tuple[str, Inspection]) -> None:
    for result in inspected[1].results:
        if result.status in ("failed", "warned"):
            assert result.headline and result.fix and result.samples, result
            assert "ode" in result.why.partition(":")[0], result


def test_samples_are_documents_that_show_the_finding(inspected: tuple[str, Inspection]) -> None:
    name, inspection = inspected
    documents = {
        each["_id"]: each for listed in ALL[name]().values() for each in listed if not isinstance(each["_id"], dict)
    }
    for result in inspection.results:
        if result.subject.startswith("nulls:") and result.status == "warned":
            assert all(sample.id is None or sample.id in documents for sample in result.samples)
            assert all(sample.why.endswith("is null") for sample in result.samples)


def test_secrets_are_never_shown(inspected: tuple[str, Inspection]) -> None:
    shown = repr(inspected[1].results)
    assert "$2b$12$" not in shown
    assert "'key 1'" not in shown


def test_missing_collection_is_one_error(database: Database[dict[str, Any]]) -> None:
    database["things"].insert_one({"_id": 1})
    with pytest.raises(TargetError, match="has no collection thngs; it has things"):
        inspect(database, only=["thngs"])
