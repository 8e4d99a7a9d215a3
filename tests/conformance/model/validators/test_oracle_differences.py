"""Documents that the oracles read differently, and how each difference is handled."""

from __future__ import annotations

import math
from typing import Any

import bson
import pytest
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.model.validators.document_validator import breaches, conforms
from tests.conformance.model.validators.oracles import fullest_and_barest, refused, validated
from tests.models import shipped_model

pytestmark = pytest.mark.slow

__all__ = ["validated"]


MODEL = shipped_model()


TRAPS: list[tuple[str, str, Any, bool]] = [
    ("products", "product_name", "a\0b", True),
    ("products", "product_name", "a\nb\n", True),
    ("products", "product_name", "e\N{COMBINING ACUTE ACCENT}" * 100, True),
    ("products", "product_name", "e\N{COMBINING ACUTE ACCENT}" * 100 + "e", False),
    ("products", "product_name", "\N{GRINNING FACE}" * 200, True),
    ("products", "product_name", "\N{GRINNING FACE}" * 201, False),
    ("products", "product_name", "", False),
    ("products", "sku", "PT-DR-0001\n", False),
    ("products", "sku", "\N{ARABIC-INDIC DIGIT FOUR}", False),
    ("products", "sku", "a\0b", False),
    ("products", "product_id", "prod_x\nprod_x", False),
    ("products", "cost", 19.99, True),
    ("products", "cost", 0.07, True),
    ("products", "cost", 4.35, True),
    ("products", "cost", 0.1 + 0.2, True),
    ("products", "cost", 5.0, True),
    ("products", "cost", 5, True),
    ("products", "cost", bson.Int64(5), True),
    ("products", "cost", 2**31, True),
    ("products", "cost", bson.Int64(90_071_992_547_409), True),
    ("products", "cost", bson.Int64(90_071_992_547_410), False),
    ("products", "cost", 2**63 - 1, False),
    ("products", "cost", True, False),
    ("products", "cost", bson.Decimal128("5"), False),
    ("products", "cost", "5", False),
    ("products", "cost", 0.0, False),
    ("products", "cost", -0.0, False),
    ("products", "cost", 0.015, False),
    ("products", "cost", 90_071_992_547_409.91, True),
    ("products", "cost", 90_071_992_547_409.92, False),
    ("products", "cost", 1e14, False),
    ("products", "cost", 1e300, False),
    ("products", "cost", 1e308, False),
    ("products", "cost", math.inf, False),
    ("products", "cost", math.nan, False),
    ("products", "gross_margin_percent", -0.0, True),
    ("products", "gross_margin_percent", -5e-324, False),
    ("products", "gross_margin_percent", 5e-324, True),
    ("products", "gross_margin_percent", 100, True),
    ("products", "gross_margin_percent", bson.Int64(100), True),
    ("products", "gross_margin_percent", math.nextafter(100, 101), False),
    ("products", "gross_margin_percent", True, False),
    ("products", "image_url", "http://a", True),
    ("products", "image_url", "http://a\n", False),
    ("products", "image_url", "x\nhttp://a", False),
    ("products", "image_url", "http://" + "a" * 2041, True),
    ("products", "image_url", "http://" + "a" * 2042, False),
    ("products", "specifications", {}, True),
    ("products", "specifications", {"(max) load #1": 1, "½": 1}, False),
    ("products", "specifications", {"(max) load #1": 1}, True),
    ("products", "specifications", {"_load": 1}, False),
    ("products", "specifications", {"": 1}, False),
    ("products", "specifications", {"a.b": 1}, False),
    ("products", "specifications", {"$a": 1}, False),
    ("products", "specifications", {"a\n": 1}, False),
    ("products", "specifications", {"a" * 64: 1}, True),
    ("products", "specifications", {"a" * 65: 1}, False),
    ("products", "specifications", {"a": 2**62}, False),
    ("products", "specifications", {"a": 1.7976931348623157e308}, True),
    ("products", "specifications", {"a": math.inf}, False),
    ("products", "specifications", {"a": math.nan}, False),
    ("products", "specifications", {"a": None}, False),
    ("products", "specifications", {"a": {}}, False),
    ("products", "specifications", {"a": bson.Code("x")}, False),
    ("products", "specifications", {f"k{n}": n for n in range(64)}, True),
    ("products", "specifications", {f"k{n}": n for n in range(65)}, False),
    ("products", "created_at", "2024-02-29T23:59:59Z", True),
    ("products", "created_at", "2100-02-29T00:00:00Z", False),
    ("products", "created_at", "2000-02-29T00:00:00Z", True),
    ("products", "created_at", "0001-01-01T00:00:00Z", True),
    ("products", "created_at", "9999-12-31T23:59:59Z", True),
    ("products", "deleted", 0, False),
    ("products", "deleted", None, False),
    ("inventory", "stock_level", 2**53 - 1, True),
    ("inventory", "stock_level", bson.Int64(1), True),
    ("inventory", "stock_level", 2**53, False),
    ("products", "gross_margin_percent", 33, True),
    ("products", "gross_margin_percent", bson.Int64(33), True),
    ("products", "specifications", {"grains": 2**53 - 1}, True),
    ("products", "specifications", {"grains": 2**53}, False),
    ("products", "specifications", {"grains": bson.Int64(-(2**53))}, False),
    ("products", "specifications", {"grains": 2.0**60}, True),
    ("inventory", "stock_level", 2**63 - 1, False),
    ("inventory", "stock_level", 5.0, False),
    ("inventory", "stock_level", -1, False),
    ("inventory", "stock_level", False, False),
    ("inventory", "_id", "0B5E3A6C-9F1D-4C2B-8A7E-112233445566", True),
    ("inventory", "_id", "0b5e3a6c-9f1d-1c2b-8a7e-112233445566", False),
    ("inventory", "location", {"shelf": "S", "aisle": "A"}, True),
    ("inventory", "location", {"aisle": "A", "shelf": "S", "bin": None}, False),
    ("inventory", "location", {"aisle": "A", "shelf": "S", "": "x"}, False),
    ("customers", "email", "a@b.c", True),
    ("customers", "email", "a@b.c\n", False),
    ("customers", "email", "a@b..c", False),
    ("customers", "phone", "(206) 555-0123", True),
    ("customers", "phone", "(106) 555-0123", False),
    ("customers", "phone", "(\N{FULLWIDTH DIGIT TWO}06) 555-0123", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field", "value", "fits"), TRAPS)
def test_known_differences_of_oracles_are_handled(
    name: str, field: str, value: Any, fits: bool, validated: Database[Document]
) -> None:
    """The oracles are known to differ on these values; each expectation is set by hand."""
    collection = MODEL[name]
    document = {**fullest_and_barest(collection)[0], field: value}
    assert conforms(collection, document) is fits
    assert (refused(validated[name], [document]) == set()) is fits


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"product_name": "\ud800"}, "a lone surrogate is no text in UTF-8"),
        ({"product_name": {"a\0b": 1}}, "BSON's names end at NUL"),
        ({"stock_level": 2**63}, "BSON's largest integer is 2^63 - 1"),
    ],
)
def test_value_without_a_bson_form_is_rejected_by_the_driver(value: Document, why: str) -> None:
    """Validators need not reject such values, and strategies do not generate them."""
    with pytest.raises((bson.errors.InvalidBSON, bson.errors.InvalidDocument, OverflowError, UnicodeEncodeError)):
        bson.encode(value)
    assert why


def test_python_oracle_accepts_integers_of_any_size() -> None:
    """An int beyond the range of doubles is rejected without a crash."""
    collection = MODEL["inventory"]
    document = {**fullest_and_barest(collection)[0], "stock_level": 10**400}
    assert [(b.path, b.keyword) for b in breaches(collection, document)] == [("stock_level", "type")]


def test_missing_object_id_is_added_by_the_server(validated: Database[Document]) -> None:
    """It is the only difference in the table above; remove it when the server changes."""
    document = dict(fullest_and_barest(MODEL["customers"])[0])
    del document["_id"]
    assert [(b.path, b.keyword) for b in breaches(MODEL["customers"], document)] == [("_id", "required")]
    assert refused(validated["customers"], [document]) == set()
    textual = dict(fullest_and_barest(MODEL["products"])[0])
    del textual["_id"]
    assert refused(validated["products"], [textual]) == {0}
