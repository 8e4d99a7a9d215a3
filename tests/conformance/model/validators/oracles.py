"""The project's model on a server, and generated documents of any size."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from pymongo import MongoClient
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from conformance.checks.base import Document
from conformance.model.collection import Collection
from conformance.model.validators.server_validator import validator
from generator.fuzzing.strategies import documents
from tests.models import shipped_model
from tests.profiles import examples

MODEL = shipped_model()


VALIDATION_FAILED = 121
#: The server refuses these by itself, before any validator is asked: an _id that is an array or a regex.
REFUSED_AS_ID = {2, 53}


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
