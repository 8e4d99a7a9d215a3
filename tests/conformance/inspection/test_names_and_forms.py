"""Inferences from names and texts, and names and texts that must not cause any."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pymongo.database import Database

from conformance.inspection import scan
from conformance.inspection.findings.key import unique_fields
from conformance.inspection.inspection import inspect
from conformance.inspection.key_values import KeyValues, share_within
from conformance.inspection.names import is_own_identity, is_personal, names_collection, reads_as_identity
from conformance.inspection.text_forms import TextForms, is_card_number, secret_kind


@pytest.mark.parametrize(
    ("field", "collection", "named"),
    [
        ("movie_id", "movies", True),
        ("movieId", "Movies", True),
        ("categoryId", "categories", True),
        ("primary_store_id", "stores", True),
        ("type_id", "product_types", True),
        ("accounts", "accounts", True),
        ("address_id", "addresses", True),
        ("store_id", "products", False),
        ("id", "things", False),
        ("status", "states", False),
    ],
)
def test_collection_names_in_field_names_are_recognised(field: str, collection: str, named: bool) -> None:
    assert names_collection(field, collection) is named


def test_own_identity_is_distinguished_from_a_reference() -> None:
    assert is_own_identity("store_id", "stores")
    assert is_own_identity("_id", "orders")
    assert not is_own_identity("store_id", "orders")
    assert not is_own_identity("product_id", "product_embeddings")


@pytest.mark.server
def test_counts_are_not_references(database: Database[dict[str, Any]]) -> None:
    """Equal names and small integers make no reference."""
    database["orders"].insert_many({"_id": n, "code": n, "number": n} for n in range(50))
    database["slides"].insert_many(
        {"_id": f"s{n}", "order": n % 9, "code": n, "number": n, "page": 1} for n in range(20)
    )
    assert inspect(database).references == []


@pytest.mark.server
def test_values_beyond_the_memory_limit_are_dropped(
    database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fields that look like keys are kept longest; _id remains a key."""
    monkeypatch.setattr(scan, "MAX_HELD", 250)
    database["things"].insert_many({"_id": n, "thing_id": n, "title": f"t{n}", "note": f"n{n}"} for n in range(100))
    (scanned,) = inspect(database).scans
    assert unique_fields(scanned) == ["_id", "thing_id"]
    monkeypatch.setattr(scan, "MAX_HELD", 10)
    (scanned,) = inspect(database).scans
    assert unique_fields(scanned) == ["_id"]


def test_identifiers_of_digits_are_not_amounts() -> None:
    assert all(map(reads_as_identity, ("zipcode", "phoneNumber", "restaurant_id", "building")))
    assert not any(map(reads_as_identity, ("price", "quantity", "rating")))


def test_personal_data_is_recognised_by_field_name() -> None:
    assert all(map(is_personal, ("email", "customerEmail", "lastName", "phone_number", "dob")))
    assert not any(map(is_personal, ("product_name", "address", "mailed_at", "number")))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("4111 1111 1111 1111", "a card number"),
        ("378282246310005", "a card number"),
        ("$2b$12$UREFwsRUoyF0CRqGNK0LzO0HM/jLhgUCNNIJ9RJAqMUQ74crlJ1Vu", "a password hash"),
        ("4111 1111 1111 1112", None),
        ("1704067200000", None),
        ("order_20240115_000123", None),
        ("f47ac10b-58cc-4372-a567-0e02b2c3d479", None),
    ],
)
def test_secret_is_classified(text: str, kind: str | None) -> None:
    assert secret_kind(text) == kind


def test_random_numbers_are_rarely_card_numbers() -> None:
    assert sum(is_card_number(str(4_000_000_000_000_000 + 7 * n)) for n in range(1000)) <= 110


def test_forms_are_counted_with_multiplicity() -> None:
    forms = TextForms()
    forms.add(Counter({"2024-01-15": 3, "15/01/2024": 2, "Jan 15, 2024": 1, "12.50": 4, "a@b.example": 5, "x": 6}))
    assert forms.dates == {"iso_day": 3, "slashed": 2, "worded": 1}
    assert (forms.numbers, forms.emails, forms.longest) == (4, 5, 12)


def test_values_are_unique_until_one_occurs_again() -> None:
    keys = KeyValues()
    keys.add({f"a{n}" for n in range(200_000)}, 200_000)
    assert keys.unique and keys.distinct == 200_000
    keys.add({"a7"}, 1)
    assert not keys.unique


def test_fraction_of_existing_values_is_computed() -> None:
    child, parent = KeyValues(), KeyValues()
    child.add({1, 2, 3, 9}, 4)
    parent.add({1.0, 2.0, 3.0, 4.0}, 4)
    assert share_within(child.hashes, parent.hashes) == 0.75
