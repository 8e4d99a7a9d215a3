"""Three oracles agree on every document: `jsonschema`, the server on a real insert, and the strategy's intent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from pymongo import MongoClient
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from conformance.checks.base import Document
from conformance.model.collection import Collection
from conformance.model.validators.document_validator import Breach, breaches, conforms
from conformance.model.validators.server_validator import closed_query, field_query, validator
from generator.fuzzing.mutations import mutations
from generator.fuzzing.strategies import documents, invalid_documents
from tests.profiles import examples
from tests.validation import shipped_model

pytestmark = pytest.mark.slow

MODEL = shipped_model()
NAMES = list(MODEL.collections)

VALIDATION_FAILED = 121
#: The server refuses these by itself, before any validator is asked: an _id that is an array or a regex.
REFUSED_AS_ID = {2, 53}

#: Documents on which server and `jsonschema` differ for a reason, by (is it the _id?, keyword).
DIFFERENCES = {
    (True, "required"): "a missing _id never reaches the validator: driver and server give an ObjectId first",
}


def raw(value: Document) -> RawBSONDocument:
    """Return the document as bytes, so that the driver adds no _id."""
    return RawBSONDocument(bson.encode(value))


@pytest.fixture(scope="module")
def validated(server: MongoClient[Document]) -> Iterator[Database[Document]]:
    """One empty collection per schema, each with the validator that provisioning would give it."""
    name = "oracles"
    server.drop_database(name)
    database = server[name]
    for collection in MODEL:
        database.create_collection(collection.name, validator=validator(collection))
    yield database
    server.drop_database(name)


def refused(mongo: MongoCollection[Document], batch: list[Document]) -> set[int]:
    """Insert each document by itself and return the positions of the rejected ones.

    What was taken is taken out again. (A taken document that has the _id of another would show as a wrong code.)
    """
    codes: dict[int, int] = {}
    try:
        mongo.insert_many([raw(document) for document in batch], ordered=False)
    except BulkWriteError as error:
        codes = {each["index"]: each["code"] for each in error.details["writeErrors"]}
    mongo.delete_many({})
    assert set(codes.values()) <= {VALIDATION_FAILED} | REFUSED_AS_ID
    return set(codes)


@pytest.mark.parametrize("name", NAMES)
def test_valid_documents_are_accepted_by_all_oracles(name: str, validated: Database[Document]) -> None:
    """`jsonschema` accepts generated documents, and the server stores and returns them byte for byte."""
    collection = MODEL[name]
    as_bytes = validated[name].with_options(CodecOptions(document_class=RawBSONDocument))

    @examples(100)
    @given(documents(collection))
    def holds(document: Document) -> None:
        assert breaches(collection, document) == []
        validated[name].insert_one(raw(document))
        stored = as_bytes.find_one_and_delete({"_id": document["_id"]})
        ordered = {"_id": document["_id"], **{key: value for key, value in document.items() if key != "_id"}}
        assert stored is not None
        assert stored.raw == bson.encode(ordered)
        assert bson.decode(stored.raw) == document

    holds()


@pytest.mark.parametrize("name", NAMES)
def test_invalid_documents_are_rejected_by_all_oracles(name: str, validated: Database[Document]) -> None:
    """Each breaks only the keyword stated by its strategy, and the server rejects it."""
    collection = MODEL[name]

    @examples(100)
    @given(invalid_documents(collection))
    def holds(case: tuple[Document, Breach]) -> None:
        document, intent = case
        found = {(breach.path, breach.keyword) for breach in breaches(collection, document)}
        assert found == {(intent.path, intent.keyword)}
        assert not conforms(collection, document)
        if (intent.path == "_id", intent.keyword) not in DIFFERENCES:
            assert refused(validated[name], [document]) == {0}

    holds()


@pytest.mark.parametrize("name", NAMES)
def test_every_invalid_variant_of_some_documents_is_rejected(name: str, validated: Database[Document]) -> None:
    """All variants are tested, for documents with every optional field and with none."""
    collection = MODEL[name]
    for document in fullest_and_barest(collection):
        cases = [
            (case.document(), case.breach)
            for case in mutations(collection, document)
            if (case.breach.path == "_id", case.breach.keyword) not in DIFFERENCES
        ]
        assert len(cases) > 100
        for broken, intent in cases:
            assert {(b.path, b.keyword) for b in breaches(collection, broken)} == {(intent.path, intent.keyword)}
        taken = set(range(len(cases))) - refused(validated[name], [broken for broken, _ in cases])
        assert [cases[position][1] for position in sorted(taken)] == []


@cache
def fullest_and_barest(collection: Collection) -> tuple[Document, ...]:
    """Return from some dozen documents the one with the most fields (nested ones count) and the one with the fewest."""
    found: list[Document] = []

    @examples(40)
    @given(documents(collection))
    def gather(document: Document) -> None:
        found.append(document)

    gather()
    if any(field.kind == "vector" for field in collection.fields):
        return (max(found, key=_size),)  # large, and hardly another document without its one optional field
    return max(found, key=_size), min(found, key=_size)


def _size(value: Any) -> int:
    return 1 + sum(map(_size, value.values())) if isinstance(value, dict) else 1


@pytest.mark.parametrize("name", NAMES)
def test_every_keyword_is_broken_by_an_invalid_document(name: str) -> None:
    """Otherwise a keyword of a field would never be tested on the oracles."""
    collection = MODEL[name]
    broken = {
        (case.breach.path, case.breach.keyword)
        for document in fullest_and_barest(collection)
        for case in mutations(collection, document)
    }
    for field in collection.walk():
        wanted = field.schema.keys() & STATED
        if field.required:
            wanted |= {"required"}
        if "x-bson" in field.schema:
            wanted -= {"type"}
        missing = {keyword for keyword in wanted if (field.path, keyword) not in broken}
        assert not missing, f"{name}.{field.path}"
    assert "additionalProperties" in {keyword for _, keyword in broken}


STATED = {
    "type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength",
    "pattern", "x-money", "x-timestamp", "x-uuid", "x-bson", "minItems", "maxItems", "minProperties", "maxProperties",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_field_queries_select_the_documents_broken_there(name: str, database: Database[Document]) -> None:
    """The documents rules query each field: the query must select the documents that the Python oracle rejects."""
    collection = MODEL[name]
    stored: dict[bytes, Document] = {}
    for document in fullest_and_barest(collection):
        for case in [case.document() for case in mutations(collection, document)] + [document]:
            if "_id" not in case or isinstance(case["_id"], list | bson.Regex):
                continue  # the server stores none such
            renamed = case if case["_id"] != document["_id"] else {**case, "_id": _other_id(document, len(stored))}
            stored.setdefault(_key(renamed), renamed)
    database[name].insert_many([raw(document) for document in stored.values()], ordered=True)

    by_field: dict[str, set[bytes]] = {field.name: set() for field in collection.fields}
    extra = set()
    for key, document in stored.items():
        for breach in breaches(collection, document):
            if (
                breach.keyword == "additionalProperties"
                and breach.path not in by_field
                and not _nested(collection, breach)
            ):
                extra.add(key)
            else:
                by_field[breach.field].add(key)

    for field in collection.fields:
        found = database[name].find({"$nor": [field_query(collection, field.name)]}, {"_id": 1})
        assert {_key(one) for one in found} == by_field[field.name], field.name
    found = database[name].find({"$nor": [closed_query(collection)]}, {"_id": 1})
    assert {_key(one) for one in found} == extra
    assert extra


def _key(document: Document) -> bytes:
    """Return the _id in the form that the server compares: numbers by value, whatever their type."""
    value = document["_id"]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return bson.encode({"": float(value) if is_number else value})


def _nested(collection: Collection, breach: Breach) -> bool:
    head = breach.field
    return collection.has(head) and collection.field(head).kind in ("map", "dictionary")


def _other_id(document: Document, number: int) -> Any:
    """Return another valid _id: an ObjectId, a UUID, or the text with its last number incremented."""
    old = document["_id"]
    if isinstance(old, bson.ObjectId):
        return bson.ObjectId(f"{number:024x}")
    if len(old) == 36 and old.count("-") == 4:
        return f"{old[:24]}{number:012x}"
    if old.startswith("order_"):
        return f"{old[:15]}{number:09d}"
    return f"{old.split('_')[0]}_{number}"


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
