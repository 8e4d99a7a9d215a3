"""Family uniqueness: documents that share a value are counted exactly and shown in order; absent values are ignored."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.results import Outcome
from tests.conformance.rules.finding import Finding

Document = dict[str, Any]

EMAIL = "uniqueness.customers.email"
CASE = "uniqueness.customers.email-ignoring-case"
STORE = "uniqueness.stores.store_id"
USER = "uniqueness.stores.rls_user_id"
PAIR = "uniqueness.inventory.store_id+product_id"
UUIDS = ("6f1d2b2e-0c1a-4b5a-9d55-0a4c7a5a1b11", "6F1D2B2E-0C1A-4B5A-9D55-0A4C7A5A1B11")


def ids(outcome: Outcome) -> list[Any]:
    return [sample.id for sample in outcome.samples]


def of(field: str, *values: Any) -> list[Document]:
    """Return a document for each value, the last with the first _id."""
    return [{"_id": f"{len(values) - number:02}", field: value} for number, value in enumerate(values)]


def test_documents_that_share_a_value_are_counted_and_the_first_shown(found: Finding) -> None:
    """The order is by value, then by _id; null, absent and distinct values are not shared."""
    documents = [*of("email", *["b@x"] * 7, "c@x", None, None, "a@x", "a@x"), {"_id": "x"}, {"_id": "y"}]
    outcome = found(EMAIL, customers=documents)
    assert (outcome.examined, outcome.violations) == (10, 9)
    assert ids(outcome) == ["01", "02", "06", "07", "08"]
    assert outcome.samples[0].why == 'another document has the same email "a@x"'
    assert outcome.samples[2].why == 'another document has the same email "b@x"'


def test_many_shared_values_are_all_counted(found: Finding) -> None:
    outcome = found(EMAIL, customers=of("email", *"aabbccddeeff"))
    assert outcome.violations == 12
    assert ids(outcome) == ["11", "12", "09", "10", "07"]


def test_combination_is_compared_as_a_whole(found: Finding) -> None:
    pairs = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 2), ("b", None), ("b", None), (None, 1), (None, 1)]
    outcome = found(PAIR, inventory=[{"_id": n, "store_id": s, "product_id": p} for n, (s, p) in enumerate(pairs)])
    assert outcome.violations == 2
    assert ids(outcome) == [3, 4]
    assert outcome.samples[0].why == 'another document has the same store_id "b", product_id 2'


def test_duplicate_id_field_other_than_the_id_is_reported(found: Finding) -> None:
    """The server keeps it unique only if it equals the _id in every document."""
    assert found(STORE, stores=[{"_id": 1, "store_id": "s"}, {"_id": 2, "store_id": "s"}]).violations == 2


def test_duplicate_id_field_equal_to_the_id_in_some_documents_is_reported(found: Finding) -> None:
    assert ids(found(STORE, stores=[{"_id": "s", "store_id": "s"}, {"_id": 2, "store_id": "s"}])) == [2, "s"]


def test_id_field_equal_to_the_id_is_unique(found: Finding) -> None:
    outcome = found(STORE, stores=[{"_id": "s", "store_id": "s"}, {"_id": "t", "store_id": "t"}])
    assert (outcome.examined, outcome.violations, outcome.samples) == (2, 0, ())


def test_uuids_are_compared_without_case(found: Finding) -> None:
    outcome = found(USER, stores=of("rls_user_id", *UUIDS))
    assert outcome.violations == 2
    assert ids(outcome) == ["01", "02"]
    assert {sample.why for sample in outcome.samples} == {f'another document has the same rls_user_id "{UUIDS[0]}"'}


def test_values_other_than_uuids_are_compared_unchanged(found: Finding) -> None:
    """An array has no lower case; 7 and "7" differ."""
    outcome = found(USER, stores=of("rls_user_id", [1], [1], 7, "7", UUIDS[0]))
    assert ids(outcome) == ["04", "05"]


@pytest.mark.parametrize(
    ("rule", "name"), [(EMAIL, "customers"), (CASE, "customers"), (PAIR, "inventory"), (STORE, "stores")]
)
def test_empty_collection_is_skipped(rule: str, name: str, found: Finding) -> None:
    assert found(rule).skipped == f"{name} is empty"


def test_id_that_differs_from_its_field_is_reported(found: Finding) -> None:
    """A document without the field is reported by the documents family."""
    pairs = [("s", "t"), ("v", "v"), ("w", None)]
    stores = [{"_id": "u"}, *({"_id": one, "store_id": key} for one, key in pairs)]
    outcome = found("uniqueness.stores._id+store_id", stores=stores)
    assert (outcome.examined, outcome.violations) == (3, 2)
    assert [(sample.id, sample.why) for sample in outcome.samples] == [
        ("s", '_id is "s", store_id is "t"'), ("w", '_id is "w", store_id is null'),
    ]  # fmt: skip


def test_values_that_differ_only_in_case_are_reported(found: Finding) -> None:
    """Equal strings are reported by another rule; other types have no case."""
    outcome = found(
        CASE, customers=of("email", "B@x", "b@x", "b@x", "A@x", "a@x", "c@x", "c@x", ["d"], ["d"], ["D"], None, 7, "7")
    )
    assert (outcome.examined, outcome.violations) == (8, 5)
    assert [(sample.id, sample.why) for sample in outcome.samples] == [
        ("09", 'email "a@x" differs from "A@x" only in case'), ("10", 'email "A@x" differs from "a@x" only in case'),
        ("11", 'email "b@x" differs from "B@x" only in case'), ("12", 'email "b@x" differs from "B@x" only in case'),
        ("13", 'email "B@x" differs from "b@x" only in case'),
    ]  # fmt: skip


def test_values_that_differ_only_in_case_are_shown_in_lowercase_order(found: Finding) -> None:
    """In this order, _ sorts before the letters."""
    outcome = found(CASE, customers=of("email", "AB@x", "ab@x", "A_@x", "a_@x"))
    assert ids(outcome) == ["01", "02", "03", "04"]


@pytest.mark.parametrize(
    ("value", "broken"),
    [
        (UUIDS[0], False),
        (UUIDS[1], False),
        ("6f1d2b2e-0c1a-1b5a-9d55-0a4c7a5a1b11", True),
        ("6f1d2b2e-0c1a-4b5a-cd55-0a4c7a5a1b11", True),
        ("6f1d2b2e", True),
        (7, False),
        (None, False),
    ],
    ids=["lower case", "upper case", "version 1", "another variant", "too short", "no text", "null"],
)
def test_uuid_of_another_version_is_reported(value: Any, broken: bool, found: Finding) -> None:
    """A value that is not a string is reported by the documents family."""
    outcome = found("uniqueness.stores.rls_user_id-version", stores=[{"_id": "s", "rls_user_id": value}])
    assert [sample.why for sample in outcome.samples] == ([f'rls_user_id is "{value}"'] if broken else [])


def test_absent_uuid_is_skipped(found: Finding) -> None:
    outcome = found("uniqueness.stores.rls_user_id-version", stores=[{"_id": "s"}])
    assert outcome.skipped == "no document of stores has rls_user_id"
