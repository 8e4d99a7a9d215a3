"""The simple collation in every query: what two values are must not depend on how a collection was created.

A collection can have a default collation, by which "Seattle" and "seattle" are one value in every query, join and
index that names no collation of its own. The harness compares values exactly, so every client it opens names the
simple collation, which compares them byte for byte. On a collection without a default collation that changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from pymongo import MongoClient
from pymongo.collation import Collation
from pymongo.collection import Collection
from pymongo.database import Database

Document = dict[str, Any]

#: As a command and an index definition take it.
SIMPLE_SPEC: Final = {"locale": "simple"}
#: As the driver's methods and operations (`UpdateOne`, `DeleteOne`) take it.
SIMPLE: Final = Collation("simple")

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _simply(method: _Method) -> _Method:
    """Return the method with the simple collation where the caller names none."""

    @wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        options.setdefault("collation", SIMPLE)
        return method(*arguments, **options)

    return cast(_Method, call)


class SimpleCollection(Collection[Document]):
    """A collection all of whose queries compare values exactly; `find_one` and `count` go through these methods.

    Operations of `bulk_write` name the collation themselves.
    """

    find = _simply(Collection.find)
    find_raw_batches = _simply(Collection.find_raw_batches)
    aggregate = _simply(Collection.aggregate)
    aggregate_raw_batches = _simply(Collection.aggregate_raw_batches)
    count_documents = _simply(Collection.count_documents)
    distinct = _simply(Collection.distinct)
    update_one = _simply(Collection.update_one)
    update_many = _simply(Collection.update_many)
    replace_one = _simply(Collection.replace_one)
    delete_one = _simply(Collection.delete_one)
    delete_many = _simply(Collection.delete_many)
    find_one_and_delete = _simply(Collection.find_one_and_delete)
    find_one_and_replace = _simply(Collection.find_one_and_replace)
    find_one_and_update = _simply(Collection.find_one_and_update)
    create_index = _simply(Collection.create_index)

    def with_options(self, *arguments: Any, **options: Any) -> Any:
        """See the superclass."""
        return _of(self.database, super().with_options(*arguments, **options))


class SimpleDatabase(Database[Document]):
    """A database whose collections are SimpleCollections."""

    def __getitem__(self, name: str) -> SimpleCollection:
        """See the superclass."""
        return self.get_collection(name)

    def get_collection(self, *arguments: Any, **options: Any) -> SimpleCollection:
        """See the superclass."""
        return _of(self, super().get_collection(*arguments, **options))

    def with_options(self, *arguments: Any, **options: Any) -> Any:
        """See the superclass."""
        return simple(super().with_options(*arguments, **options))


class SimpleClient(MongoClient[Document]):
    """A client whose databases are SimpleDatabases."""

    def __getitem__(self, name: str) -> SimpleDatabase:
        """See the superclass."""
        return self.get_database(name)

    def get_database(self, *arguments: Any, **options: Any) -> SimpleDatabase:
        """See the superclass."""
        return simple(super().get_database(*arguments, **options))


def simple(database: Database[Any]) -> SimpleDatabase:
    """Return the same database, whose queries compare values exactly."""
    if isinstance(database, SimpleDatabase):
        return database
    return SimpleDatabase(
        database.client,
        database.name,
        database.codec_options,
        database.read_preference,
        database.write_concern,
        database.read_concern,
    )


def _of(database: Database[Any], found: Collection[Any]) -> SimpleCollection:
    return SimpleCollection(
        database,
        found.name,
        codec_options=found.codec_options,
        read_preference=found.read_preference,
        write_concern=found.write_concern,
        read_concern=found.read_concern,
    )
