"""Inferences from names and texts, and names and texts that must not cause any."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import pytest
from bson import Binary
from pymongo.database import Database

from conformance.inspection import scan
from conformance.inspection.drafting.draft import draft
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
def test_random_ids_refer_by_their_values_whatever_the_name(database: Database[dict[str, Any]]) -> None:
    """Equal UUIDs are no chance, just as equal ObjectIds; equal short strings may be."""
    ids = [str(uuid.UUID(int=n, version=4)) for n in range(1, 9)]
    database["technicians"].insert_many({"_id": each, "code": f"T{n}"} for n, each in enumerate(ids))
    database["jobs"].insert_many(
        {"_id": n, "assignedTo": ids[n % 8], "helpers": [ids[(n + 1) % 8]], "grade": f"T{n % 8}"} for n in range(20)
    )
    found = {(each.path, each.target, each.field) for each in inspect(database).references}
    assert found == {((("assignedTo",),), "technicians", "_id"), ((("helpers",), "[]"), "technicians", "_id")}


@pytest.mark.server
def test_one_document_is_singular_and_a_missing_key_is_a_sentence(database: Database[dict[str, Any]]) -> None:
    database["visits"].insert_many({"_id": n, "id": n} if n else {"_id": n} for n in range(100))
    database["devices"].insert_many({"_id": Binary.from_uuid(uuid.UUID(int=n, version=4))} for n in range(9))
    inspection = inspect(database)
    (near,) = [one for one in inspection.results if one.id.startswith("uniqueness.visits.near-key")]
    assert near.headline == "visits: id is not quite a key: 1 document has no value"
    evidence = draft(database, inspection, ()).notes["devices"].evidence
    assert evidence["x-sync id_mapping"] == "no field can make the device's _id; see zava inspect"


@pytest.mark.server
def test_names_of_people_are_not_drafted_as_unique(database: Database[dict[str, Any]]) -> None:
    """Two customers may have the same name, although no two have it today; two shops do not."""
    for name in ("customers", "shop_owners", "blogAuthors", "shops"):
        database[name].insert_many({"_id": n, "name": f"N{n}", "email": f"a{n}@example.com"} for n in range(20))
    schemas = draft(database, inspect(database), ()).schemas
    unique = {name: [f for f, each in one["properties"].items() if "x-unique" in each] for name, one in schemas.items()}
    assert unique == {
        "customers": ["email"],
        "shop_owners": ["email"],
        "blogAuthors": ["email"],
        "shops": ["name", "email"],
    }


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


@pytest.mark.parametrize(
    ("text", "random"),
    [
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", True),
        ("3FA85F64-5717-4562-B3FC-2C963F66AFA6", True),
        ("65f1a0b2c3d4e5f607182930", True),
        ("0123456789abcdef0123456789abcdef", True),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", True),
        ("3fa85f64-5717-4562-b3fc", False),
        ("store_seattle", False),
        ("123456789012345678901234", False),
    ],
)
def test_random_id_is_recognised(text: str, random: bool) -> None:
    forms = TextForms()
    forms.add(Counter([text, text]))
    assert forms.random_ids == (2 if random else 0)


def test_serial_numbers_are_not_card_numbers_though_a_tenth_has_a_right_check_digit() -> None:
    forms = TextForms()
    forms.add(Counter(f"4{number:015d}" for number in range(200)))
    assert not forms.secrets


def test_card_number_among_other_texts_is_a_secret() -> None:
    forms = TextForms()
    forms.add(Counter(["4111111111111111", "call again", "12"]))
    forms.add(Counter(["ask for Anna"]))
    assert forms.secrets == Counter({"a card number": 1})


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
