"""Invalid UTF-8 and values of unexpected types: the rule about the field reports them, and no rule raises an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import bson
import pytest
from bson import Decimal128, MaxKey, MinKey
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from conformance.checks.base import Context, Document
from conformance.config.settings import Settings
from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Model
from conformance.results import Result
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from generator.columns.plan import Plan
from generator.loader import load
from tests.models import shipped_model
from tests.validation import configuration_for

FAMILIES: Final = ("documents", "references", "snapshots", "totals", "business", "uniqueness", "crdt", "embeddings")
#: A placeholder for bytes that are not UTF-8: Latin-1 text, and an incomplete character.
MARK: Final = "?unreadable?"
BYTES: Final = b"\xe9\x80 caf\xe9\xff"
COLLECTIONS: Final = sorted(shipped_model().collections)


def raw(document: Document) -> RawBSONDocument:
    """Return the document with invalid UTF-8 at the position of the mark."""
    assert len(MARK) > len(BYTES)
    return RawBSONDocument(bson.encode(document).replace(MARK.encode(), BYTES.ljust(len(MARK), b"\xe9")))


class Shop:
    """A small conformant database in which one document at a time is replaced."""

    def __init__(self, model: Model, server: MongoClient[Document]) -> None:
        self.model = model
        self._configuration = configuration_for(model)
        self._settings = Settings(num_customers=8, num_orders=20)
        self._database = server.get_database("unreadable", codec_options=OPTIONS)
        server.drop_database(self._database.name)
        load(Plan(model, self._configuration, self._settings).documents(), self._database, 1_000)
        self._documents = {one.name: list(self._database[one.name].find().sort("_id", 1)) for one in model}
        self._clean = self._results()

    def first(self, name: str) -> Document:
        """Return a document of the collection, if possible one with all fields."""
        return max(self._documents[name], key=len)

    def with_instead(self, name: str, document: Document, *others: Document | RawBSONDocument) -> dict[str, Result]:
        """Return the results that change when other documents replace this one."""
        collection = self._database[name]
        collection.delete_one({"_id": document["_id"]})
        collection.insert_many(others)
        try:
            found = self._results()
        finally:
            collection.delete_many({})
            collection.insert_many(self._documents[name])
        return {rule: result for rule, result in found.items() if result.status != self._clean[rule].status}

    def _results(self) -> dict[str, Result]:
        rules = [one for one in all_rules(self.model, self._configuration) if one.family in FAMILIES]
        context = Context(self.model, self._configuration, self._settings, self._database, embedded=True, scratch=None)
        with Run(rules, context) as run:
            return {result.id: result for result in run.results()}


@pytest.fixture(scope="module")
def shop(model: Model, server: MongoClient[Document]) -> Iterator[Shop]:
    """One database for the file."""
    yield Shop(model, server)
    server.drop_database("unreadable")


def errors(changed: dict[str, Result]) -> list[str]:
    return [f"{rule}: {result.reason}" for rule, result in changed.items() if result.status == "error"]


@pytest.mark.parametrize("name", COLLECTIONS)
def test_document_with_an_undecodable_id_is_validated(name: str, shop: Shop) -> None:
    """It is validated although no query can select it by its _id."""
    document = shop.first(name)
    changed = shop.with_instead(name, document, raw(document | {"_id": MARK, "zz": 1, "deleted": 7}))
    assert errors(changed) == []
    for rule in (f"documents.{name}.extra-fields", f"documents.{name}._id", f"documents.{name}.deleted"):
        assert (changed[rule].status, changed[rule].violations) == ("failed", 1), rule


def test_undecodable_id_is_not_equal_to_its_replacement(shop: Shop) -> None:
    """Invalid UTF-8 is decoded as U+FFFD, which may be another document's _id."""
    document = shop.first("stores")
    looks = bson.decode(raw({"_id": MARK}).raw, OPTIONS)
    changed = shop.with_instead("stores", document, document | looks, raw(document | {"_id": MARK, "zz": 1}))
    assert changed["documents.stores.extra-fields"].violations == 1


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        *((name, "created_at", MARK) for name in ("customers", "orders", "order_items", "products")),
        ("orders", "updated_at", MARK),
        ("orders", "order_date", MARK),
        ("orders", "order_id", MARK),
        ("order_items", "order_id", MARK),
        ("order_items", "product_id", MARK),
        ("order_items", "discount_amount", MinKey()),
        ("order_items", "discount_amount", MaxKey()),
        ("order_items", "order_id", Decimal128("sNaN")),
        ("order_items", "product_id", Decimal128("sNaN")),
        ("orders", "customer_id", Decimal128("sNaN")),
    ],
)
def test_value_of_an_unexpected_type_is_a_finding_of_its_field(name: str, field: str, value: Any, shop: Shop) -> None:
    document = shop.first(name)
    changed = shop.with_instead(name, document, raw(document | {field: value}))
    assert errors(changed) == []
    finding = changed[f"documents.{name}.{field}"]
    assert (finding.status, finding.violations) == ("failed", 1)


@pytest.mark.soak
@pytest.mark.parametrize("name", COLLECTIONS)
def test_value_of_any_type_in_any_field_raises_no_error(name: str, shop: Shop) -> None:
    """The test covers every field of every collection."""
    document = shop.first(name)
    for field in document:
        for value in (MARK, MinKey(), MaxKey(), Decimal128("sNaN"), {"a": MARK}, [MARK]):
            if not (field == "_id" and isinstance(value, list)):
                changed = shop.with_instead(name, document, raw(document | {field: value}))
                assert errors(changed) == [], (field, value)
                assert changed[f"documents.{name}.{field}"].status == "failed", (field, value)
