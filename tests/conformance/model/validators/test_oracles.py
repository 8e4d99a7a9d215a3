"""Three readings of a schema agree: jsonschema, the server and the Hypothesis strategies."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.model.collection import Collection
from conformance.model.validators.document_validator import Breach, breaches, conforms
from conformance.model.validators.server_validator import closed_query, field_query
from generator.fuzzing.mutations import mutations
from generator.fuzzing.strategies import documents, invalid_documents
from tests.conformance.model.validators.oracles import fullest_and_barest, raw, refused, validated
from tests.models import shipped_model
from tests.profiles import examples

pytestmark = pytest.mark.slow

__all__ = ["validated"]


MODEL = shipped_model()
NAMES = list(MODEL.collections)


#: Documents on which server and `jsonschema` differ for a reason, by (is it the _id?, keyword).
DIFFERENCES = {
    (True, "required"): "a missing _id never reaches the validator: driver and server give an ObjectId first",
}


@pytest.mark.parametrize("name", NAMES)
def test_valid_documents_are_accepted_by_all_oracles(name: str, validated: Database[Document]) -> None:
    """`jsonschema` accepts generated documents, and the server stores and returns them byte for byte."""
    collection = MODEL[name]
    as_bytes = validated[name].with_options(CodecOptions(document_class=RawBSONDocument))

    @examples(30)
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

    @examples(30)
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
