"""Proofs in columns are correct, for every invalid variant of the model's documents and for odd documents."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import bson
import numpy as np
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from conformance.checks.base import Context, Document
from conformance.checks.document_scan import DocumentTest
from conformance.checks.survey import identity
from conformance.columns import reading
from conformance.columns.expressions import truth
from conformance.columns.layout import Batch, UnusualError, layout_of
from conformance.columns.patterns import compiled
from conformance.columns.queries import may_match, must_match
from conformance.columns.values import values_at
from conformance.config.settings import Settings
from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Collection
from conformance.model.validators.document_validator import conforms
from conformance.model.validators.server_validator import validator
from conformance.rules.catalogue import DATA_FAMILIES, all_rules
from conformance.run import runner
from generator.fuzzing.mutations import mutations
from tests.conformance.model.validators.oracles import fullest_and_barest
from tests.models import shipped_model
from tests.validation import shipped_configuration

MODEL = shipped_model()
MAPS = frozenset(field.path for collection in MODEL for field in collection.walk() if field.kind == "map")
SETTINGS = Settings()
CONFIGURATION = shipped_configuration()


def batches(documents: Iterable[Any], collection: Collection | None = None) -> Iterator[Batch]:
    """The documents as the server would send them, read as columns."""
    reply = {"cursor": {"firstBatch": list(documents), "id": Int64(0), "ns": "shop.things"}, "ok": 1.0}
    objects = {field.path for field in collection.walk() if field.kind == "map"} if collection else {"a"}
    return reading.read([bson.encode(reply)], objects)


def readable(document: Document) -> bool:
    try:
        layout_of(bson.encode(document), 0, MAPS)
        return True
    except UnusualError:
        return False


def broken(collection: Collection) -> list[Document]:
    return [case.document() for document in fullest_and_barest(collection) for case in mutations(collection, document)]


@pytest.mark.parametrize(
    "name", ["customers", "inventory", "orders", "order_items", "product_embeddings", "product_types", "stores"]
)
def test_columns_prove_valid_documents_and_no_invalid_ones(name: str) -> None:
    collection = MODEL[name]
    for document in fullest_and_barest(collection):
        (batch,) = batches([document], collection)
        assert must_match(validator(collection), batch).all(), document
    proven = 0
    for batch in batches(filter(readable, broken(collection)), collection):
        for place in np.flatnonzero(must_match(validator(collection), batch)).tolist():
            at = int(batch.starts[place])
            document = bson.decode(batch.raw[at : at + int(batch.window("<i4")[at])])
            assert conforms(collection, document), document
            proven += 1
    assert not proven  # each mutation breaks something


@pytest.mark.parametrize(
    "document",
    [
        {"_id": 1, "a": {"b": 1, "c": [1, {"d": 2}]}, "t": "text", "n": None, "x": ObjectId(), "z": 2.5},
        {"_id": Int64(2**60), "a": "text"},
        {"_id": 3, "a": {}},
        {"_id": 4},
    ],
)
def test_documents_of_several_layouts_are_all_read(document: Document) -> None:
    others = [{"_id": 9, "a": {"b": "x"}}, {"a": {"e": 1}, "_id": 8}]
    found = list(batches([*others, document, *others]))
    assert sum(len(batch) for batch in found) == 5
    codes = [values_at(batch, "_id").codes for batch in found]
    assert (np.concatenate(codes) != 0).all()


@pytest.mark.parametrize(("first", "number"), [(1, -1), (0, -2), (-1, 1)])
def test_part_of_a_text_by_a_negative_number_is_left_to_the_server(first: int, number: int) -> None:
    """The server takes a negative length for all that follows, and refuses a negative start."""
    (batch,) = batches([{"t": "abc"}])
    with pytest.raises(UnusualError):
        truth({"$eq": [{"$substrBytes": ["$t", first, number]}, "bc"]}, batch)
    assert truth({"$eq": [{"$substrBytes": ["$t", 1, 2]}, "bc"]}, batch)[0].tolist() == [True]


def test_document_with_a_duplicate_key_is_left_to_the_server() -> None:
    once = bson.encode({"k": 1, "m": 2})
    with pytest.raises(UnusualError):
        list(batches([{"k": 1, "m": 1}, RawBSONDocument(once.replace(b"m\0", b"k\0"))]))


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"^order_[0-9]{8}_[0-9]{6,9}$", ["order_20240101_000001", "order_2024010_000001", "Order_20240101_000001"]),
        (r"^a{2}b?$", ["aab", "aa", "ab", "a{2}b"]),
        (r"^[^x]+\.y|z$", ["a.y", "x.y", "z", "zz", "axy"]),
        (r"^(?!0000)[0-9]+", ["0000", "0001"]),
        (r"^x\{1$", ["x{1", "x1"]),
        (r"^x{a$", ["x{a", "xa"]),
        (r"^\bfoo\b", ["foo", "food", "foo bar"]),
    ],
)
def test_shapes_match_like_their_texts(pattern: str, texts: list[str]) -> None:
    texts = texts * 2 + [text[::-1] for text in texts] + [text + "\n" for text in texts]
    (batch,) = batches([{"t": text} for text in texts])
    assert compiled(pattern).matches(values_at(batch, "t")).tolist() == [bool(re.search(pattern, t)) for t in texts]


ODD: list[Any] = [
    None, True, False, 0, -0.0, 1, 1.5, Int64(2**60), float("nan"), float("inf"), Decimal128("1.5"), "", "a", "A\u00e9",
    "ab\0c", "x" * 600, [], [1], {}, {"b": 1}, ObjectId(), b"bytes", 2**31, "2024-02-30T00:00:00Z",
]  # fmt: skip
EXPRESSIONS: list[Any] = [
    "$a",
    {"$eq": ["$a", "$b"]},
    {"$ne": ["$a", "$b"]},
    {"$lt": ["$a", "$b"]},
    {"$gte": ["$a", "$b"]},
    {"$gt": ["$a", None]},
    {"$isNumber": "$a"},
    {"$eq": [{"$type": "$a"}, "string"]},
    {"$in": ["$a", {"$literal": ["a", 1, True]}]},
    {"$eq": [{"$ifNull": ["$a", None]}, None]},
    {"$cond": ["$a", "$b", {"$not": ["$b"]}]},
    {"$and": [{"$isNumber": "$a"}, {"$isNumber": "$b"}, {"$gt": [{"$multiply": ["$a", "$b"]}, 1]}]},
    {"$and": [{"$isNumber": "$a"}, {"$eq": [{"$floor": {"$add": ["$a", 0.5]}}, {"$round": ["$a", 0]}]}]},
    {"$switch": {"branches": [{"case": {"$eq": ["$a", 1]}, "then": "$b"}], "default": None}},
    {"$gt": [{"$bsonSize": "$$ROOT"}, 40]},
    {"$eq": ["$a.b", 1]},
]


@pytest.fixture(scope="module")
def database(server: MongoClient[Document]) -> Iterator[Database[Document]]:
    """All mutations of the model's documents, and one collection of odd values."""
    name = "columns"
    server.drop_database(name)
    found = server.get_database(name, codec_options=OPTIONS)
    pairs = [{"_id": n, "a": ODD[n // len(ODD)], "b": ODD[n % len(ODD)]} for n in range(len(ODD) ** 2)]
    found["odd"].insert_many([*pairs, {"_id": -1}, {"_id": -2, "b": 1}, {"_id": -3, "a": 1}])
    for collection in MODEL:
        documents = [*fullest_and_barest(collection), *broken(collection)]
        usual = documents[0]["_id"]
        documents = [one for one in documents if readable(one)]
        apart = [{**one, "_id": f"{n}"} if one.get("_id") == usual and n else one for n, one in enumerate(documents)]
        with contextlib.suppress(BulkWriteError):  # some mutations have an _id that no collection takes
            found[collection.name].insert_many([RawBSONDocument(bson.encode(one)) for one in apart], ordered=False)
    yield found
    server.drop_database(name)


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_expressions_have_the_results_of_the_server(expression: Any, database: Database[Document]) -> None:
    documents = list(database["odd"].find())
    matched = {one["_id"] for one in database["odd"].find({"$expr": expression}, {"_id": 1})}
    settled = 0
    for batch in batches(documents):
        is_true, unsure = truth(expression, batch)
        ids = values_at(batch, "_id").numbers
        assert ids is not None
        for key, holds, doubtful in zip(ids.tolist(), is_true.tolist(), unsure.tolist(), strict=True):
            assert doubtful or holds == (key in matched), (key, holds)
            settled += not doubtful
    assert settled > len(documents) / 4


def test_scans_find_the_same_documents_as_the_server(database: Database[Document]) -> None:
    settled = 0
    tests = [rule.check for rule in all_rules(MODEL, CONFIGURATION) if isinstance(rule.check, DocumentTest)]
    for model in MODEL:
        collection = database[model.name]
        try:
            found = list(reading.batches(collection, {field.path for field in model.walk() if field.kind == "map"}))
        except UnusualError:
            continue
        for test in {repr(test.screen): test for test in tests if test.collection == model.name}.values():
            screen = test.screen
            matched = {bson.encode(one) for one in collection.find(screen, {"_id": 1})}
            for batch in found:
                try:
                    suspects = test.in_columns.suspects(batch) if test.in_columns else may_match(screen, batch)
                except UnusualError:
                    continue
                missed = [identity(batch, place) for place in np.flatnonzero(~suspects).tolist()]
                settled += len(missed)
                assert not matched & {bson.encode({"_id": one}) for one in missed}, screen
    assert settled > 1000


def test_rules_find_the_same_with_and_without_columns(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [rule for rule in all_rules(MODEL, CONFIGURATION) if rule.family in DATA_FAMILIES]

    def selected() -> list[Any]:
        with runner.Run(rules, Context(MODEL, CONFIGURATION, SETTINGS, database, True, None)) as run:
            return [repr((r.id, r.status, r.examined, r.violations, r.samples, r.reason)) for r in run.results()]

    in_columns = selected()
    monkeypatch.setattr(runner, "is_here", lambda _: False)
    assert in_columns == selected()
