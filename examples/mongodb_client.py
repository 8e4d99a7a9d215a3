"""The Zava database from Python: connection, reading, writing, batches, retries, errors, search by meaning.

    python examples/mongodb_client.py

reads MONGODB_CONNECTION_STRING and MONGODB_DATABASE from .env. What it writes goes into a database of its own beside
yours, which it drops at the end; yours is only read. It prints one line of JSON for each step.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from dotenv import load_dotenv
from pymongo import MongoClient, ReturnDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

Document = dict[str, Any]
T = TypeVar("T")


# Connection ----------------------------------------------------------------------------------------------------------


@contextmanager
def connected() -> Iterator[Database[Document]]:
    """Yield the database that .env names. Use one client per process: it is a pool, and thread-safe."""
    load_dotenv(Path(__file__).resolve().parents[1] / ".env")  # beside the model, from whatever folder this is run
    uri = os.environ.get("MONGODB_CONNECTION_STRING")
    if not uri:
        sys.exit("MONGODB_CONNECTION_STRING is not set: cp .env.sample .env, and write your connection string into it")
    client: MongoClient[Document] = MongoClient(
        uri,
        appname="zava-example",
        maxPoolSize=10,
        serverSelectionTimeoutMS=5_000,  # how long to look for a server before giving up
        timeoutMS=20_000,  # how long any one operation may take, retries included
        retryWrites=True,  # the driver tries each write once more after a fail-over
    )
    with client:
        yield client[os.environ.get("MONGODB_DATABASE") or "zava"]


def with_retries(work: Callable[[], T], *, attempts: int = 4, wait: Callable[[float], None] = time.sleep) -> T:
    """Do what may be done twice, again after a lost connection, waiting 0.1, 0.2, 0.4 s.

    The driver retries single reads and writes by itself. This is for several that belong together.
    """
    for attempt in range(attempts):
        try:
            return work()
        except AutoReconnect:
            if attempt == attempts - 1:
                raise
            wait(0.1 * 2**attempt)
    raise ValueError("attempts must be at least 1")


def now() -> str:
    """Return the time in the form of the model: UTC, to the second, as a string that sorts by time."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Create, read, update, delete ----------------------------------------------------------------------------------------


def create_shelf(inventory: Collection[Document], store_id: str, product_id: str, stock_level: int) -> str:
    """Put a product on a shelf; its _id. DuplicateKeyError when the store has it already."""
    shelf = {
        "_id": str(uuid.uuid4()),
        "store_id": store_id,
        "product_id": product_id,
        "location": {"aisle": "A1", "shelf": "S1"},  # an object, not an array: devices merge its fields one by one
        "stock_level": stock_level,
        "reorder_threshold": 10,
        "last_updated": now(),
        "deleted": False,
    }
    inventory.insert_one(shelf)
    return str(shelf["_id"])


def read_shelf(inventory: Collection[Document], store_id: str, product_id: str) -> Document | None:
    """Return a shelf; what is soft-deleted is not there."""
    return inventory.find_one({"store_id": store_id, "product_id": product_id, "deleted": False})


def sell(inventory: Collection[Document], shelf_id: str, pieces: int) -> Document | None:
    """Take pieces from a shelf; None, and nothing taken, when there are not enough.

    Condition and change are one operation, so that two tills cannot sell the last piece twice.
    """
    return inventory.find_one_and_update(
        {"_id": shelf_id, "stock_level": {"$gte": pieces}, "deleted": False},
        {"$inc": {"stock_level": -pieces}, "$set": {"last_updated": now()}},
        return_document=ReturnDocument.AFTER,
    )


def delete_shelf(inventory: Collection[Document], shelf_id: str) -> bool:
    """Delete softly: devices learn of it by the flag. A document that is gone would be synced back."""
    done = inventory.update_one({"_id": shelf_id, "deleted": False}, {"$set": {"deleted": True, "last_updated": now()}})
    return done.modified_count == 1


# Batches -------------------------------------------------------------------------------------------------------------


def insert_in_batches(
    collection: Collection[Document], documents: Iterable[Document], size: int = 1_000
) -> tuple[int, list[str]]:
    """Insert in unordered batches: how many went in, and what became of the others, which do not stop the rest."""
    inserted, refused = 0, []
    rest = iter(documents)
    while batch := list(islice(rest, size)):
        try:
            inserted += len(collection.insert_many(batch, ordered=False).inserted_ids)
        except BulkWriteError as error:
            inserted += int(error.details["nInserted"])
            refused += [
                f"{each['op']['_id']}: {each['errmsg'].split(' collection:')[0]}"
                for each in error.details["writeErrors"]
            ]
    return inserted, refused


# Aggregation and search ----------------------------------------------------------------------------------------------


def sales_by_day(database: Database[Document], first: str, last: str) -> list[Document]:
    """Orders and money of each day; cancelled orders are no sales."""
    return list(
        database["orders"].aggregate(
            [
                {
                    "$match": {
                        "order_date": {"$gte": f"{first}T00:00:00Z", "$lte": f"{last}T23:59:59Z"},
                        "status": {"$ne": "cancelled"},
                        "deleted": False,
                    }
                },
                {
                    "$group": {
                        "_id": {"$substrBytes": ["$order_date", 0, 10]},
                        "n": {"$sum": 1},
                        "sales": {"$sum": "$total"},
                    }
                },
                {"$set": {"sales": {"$round": ["$sales", 2]}}},
                {"$sort": {"_id": 1}},
            ]
        )
    )


def search_by_meaning(database: Database[Document], text: str, limit: int = 5) -> list[Document]:
    """Products whose description is nearest to the text, by the model that made their vectors.

    On Atlas the index is asked ($vectorSearch), elsewhere the server computes the cosine of every vector.
    """
    from conformance.model.schemas.loading import find_model, load_model
    from conformance.server.vector_search import space
    from generator.embeddings.embedder import local_embedder

    embeddings = load_model(find_model(Path(__file__).parent))["product_embeddings"]
    likeness = space(embeddings, "description_embedding", database["product_embeddings"])
    vector = local_embedder().embed([text], likeness.dimensions)[0].tolist()
    pipeline: list[Mapping[str, Any]] = [
        *likeness.nearest(vector, limit=limit, where={"deleted": False}),
        {"$lookup": {"from": "products", "localField": "product_id", "foreignField": "product_id", "as": "product"}},
        {"$unwind": "$product"},
        {"$project": {"_id": 0, "product_id": 1, "product_name": "$product.product_name", "similarity": 1}},
    ]
    return list(database["product_embeddings"].aggregate(pipeline))


# All of it -----------------------------------------------------------------------------------------------------------


def demonstrate(database: Database[Document], scratch: Database[Document]) -> Iterator[tuple[str, Any]]:
    """Every step with what came of it; writes into ``scratch`` only."""
    inventory = scratch["inventory"]
    inventory.create_index({"store_id": 1, "product_id": 1}, unique=True)
    shelf_id = create_shelf(inventory, "store_seattle", "prod_ht-ha-0001", 3)
    yield "created", read_shelf(inventory, "store_seattle", "prod_ht-ha-0001")
    try:
        create_shelf(inventory, "store_seattle", "prod_ht-ha-0001", 3)
    except DuplicateKeyError as error:
        yield "refused", (error.details or {}).get("keyValue")
    yield "sold 2", with_retries(lambda: sell(inventory, shelf_id, 2))
    yield "sold 2 more", sell(inventory, shelf_id, 2)
    yield "deleted", [delete_shelf(inventory, shelf_id), delete_shelf(inventory, shelf_id)]
    yield "read again", read_shelf(inventory, "store_seattle", "prod_ht-ha-0001")
    twice = [{"_id": f"n{number % 2_400}", "n": number} for number in range(2_500)]
    inserted, refused = insert_in_batches(scratch["numbers"], twice)
    yield "inserted in batches", {"inserted": inserted, "refused": len(refused), "first": refused[0]}
    day = database["orders"].find_one({"deleted": False}, sort=[("order_date", -1)])
    if day is not None:
        yield "sales of the last day", sales_by_day(database, day["order_date"][:10], day["order_date"][:10])
    yield "something to water the lawn", search_by_meaning(database, "something to water the lawn")


def main() -> None:
    """Show every step; an error of the database is one line."""
    try:
        with connected() as database:
            scratch = database.client[f"{database.name}_example_{uuid.uuid4().hex[:8]}"]
            try:
                for name, found in demonstrate(database, scratch):
                    print(json.dumps({name: found}))
            finally:
                database.client.drop_database(scratch)
    except ServerSelectionTimeoutError:
        sys.exit("no server answers: check MONGODB_CONNECTION_STRING, and on Atlas the IP access list")
    except OperationFailure as error:
        sys.exit(f"the server refused: {(error.details or {}).get('errmsg', error)}; check the user's roles")
    except PyMongoError as error:
        sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
