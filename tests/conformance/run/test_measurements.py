"""The data of the pictures: exact numbers of real documents, only for rules that ran, and never an error."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.config.settings import Settings
from conformance.connection.decoding import OPTIONS
from conformance.embedded.server import EmbeddedServer
from conformance.model.collection import Model
from conformance.results import Result
from conformance.run.measurements import measured
from tests.conformance.report.report_example import result
from tests.validation import context_for

pytestmark = pytest.mark.server

Document = dict[str, Any]


def passed(*ids: str, **evidence: Any) -> list[Result]:
    """Return passed results of these rules."""
    return [result(rule_id, evidence=evidence) for rule_id in ids]


@pytest.fixture
def context(model: Model, database: Database[Document]) -> Context:
    """The project's model over an empty database, for a period of two years less a day at each end."""
    settings = Settings(start_date=dt.date(2023, 1, 2), end_date=dt.date(2024, 12, 30))
    return replace(context_for(model, database), settings=settings)


def test_only_collections_of_rules_that_ran_are_measured(context: Context) -> None:
    assert measured(context, passed("references.orders.store_id")).keys() == {"references", "synced"}


def test_every_reference_and_synced_collection_is_listed(context: Context) -> None:
    found = measured(context, [])
    assert {"collection": "orders", "field": "customer_id", "target": "customers"} in found["references"]
    assert len(found["references"]) == sum(len(collection.references) for collection in context.model)
    assert found["synced"] == [collection.name for collection in context.model if collection.synced]


def test_sizes_equal_those_of_the_documents(context: Context) -> None:
    documents = [{"_id": str(number), "text": "x" * size} for number, size in enumerate((1, 50, 50, 200, 5000))]
    context.collection("stores").insert_many(documents)
    sizes = sorted(len(bson.encode(document)) for document in documents)
    octaves = {str(size.bit_length() - 1): 0 for size in sizes}
    for size in sizes:
        octaves[str(size.bit_length() - 1)] += 1
    assert measured(context, passed("crdt.stores.size", "crdt.orders.size"))["sizes"] == {
        "stores": {
            "documents": 5, "bytes": sum(sizes), "smallest": sizes[0], "largest": sizes[-1], "octaves": octaves,
        }
    }  # fmt: skip


def test_months_have_counts_and_expectations_by_days_and_years(context: Context) -> None:
    dates = ["2023-01-02T00:00:00Z"] * 300 + ["2024-02-29T23:59:59Z"] * 700 + ["2030-01-01T00:00:00Z", 5]
    context.collection("orders").insert_many([{"order_date": date} for date in dates])
    evaluated = passed("business.orders.order_date-shares", table={"": {"2023": [3, 5.0]}})
    months = measured(context, evaluated)["months"]["business.orders.order_date-shares"]["months"]
    assert len(months) == 24
    assert (months["2023-01"][0], months["2024-02"][0], months["2023-02"][0]) == (300, 700, 0)
    assert sum(expected for _, expected in months.values()) == pytest.approx(1000, abs=24 * 0.05)
    weights = context.configuration.table("year_weights")
    whole = weights[2023] * 364 / 365 + weights[2024] * 365 / 366
    assert months["2023-01"][1] == pytest.approx(1000 * weights[2023] * 30 / 365 / whole, abs=0.05)
    assert months["2024-02"][1] == pytest.approx(1000 * weights[2024] * 29 / 366 / whole, abs=0.05)


def test_skipped_distribution_has_no_months(context: Context) -> None:
    skipped = result("business.orders.order_date-shares", "skipped", reason="too few")
    assert "months" not in measured(context, [skipped])


def test_indexes_are_listed_with_their_reads_and_queries(context: Context) -> None:
    products = context.collection("products")
    products.insert_many([{"_id": number, "sku": str(number)} for number in range(10)])
    products.create_index("sku", unique=True)
    products.create_index("category_id")
    for _ in range(3):
        products.find_one({"sku": "7"})
    evaluated = passed("queries.products.of_category", indexes=["category_id_1"]) + passed("indexes.products.extra")
    found = {index["name"]: index for index in measured(context, evaluated)["indexes"]}
    assert found["sku_1"] | {"bytes": 0} == {
        "collection": "products", "name": "sku_1", "bytes": 0, "reads": 3, "keeps_unique": True, "queries": [],
    }  # fmt: skip
    assert found["category_id_1"]["queries"] == ["of_category"]
    assert (found["category_id_1"]["reads"], found["category_id_1"]["keeps_unique"]) == (0, False)
    assert found["_id_"]["keeps_unique"] is True
    assert all(index["bytes"] >= 4096 for index in found.values())


def test_device_documents_are_counted_for_its_first_user(context: Context) -> None:
    store = {"store_id": "store_a", "rls_user_id": "11111111-1111-4111-8111-111111111111", "deleted": False}
    context.collection("stores").insert_many([{"_id": "store_a", **store}, {"_id": "store_b", "store_id": "store_b"}])
    orders = [{"_id": number, "store_id": f"store_{'aab'[number % 3]}"} for number in range(30)]
    context.collection("orders").insert_many(orders)
    found = {each["name"]: each for each in measured(context, passed("sync._config.file"))["devices"]}
    assert found["pos"]["user"] == "store_a"
    assert (found["pos"]["documents"]["orders"], found["pos"]["documents"]["stores"]) == (20, 2)
    assert "orders" not in found["catalogue"]["documents"]
    assert (found["manager"]["user"], found["manager"]["documents"]["orders"]) == ("the super manager", 30)


def test_rejected_measurement_is_listed_and_does_not_change_the_verdict(model: Model, tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, cache_gb=0.25, auth=True, linger=0.2) as server, MongoClient(server.uri) as client:
        client["shop"]["stores"].insert_one({"_id": 1})
        client["shop"].command("createUser", "reader", pwd="x", roles=["read"])
        uri = server.uri.replace(server.uri.split("//")[1].split("@")[0], "reader:x").replace("/?", "/shop?")
        with MongoClient[Document](uri, authSource="shop") as reader:
            context = context_for(model, reader.get_database("shop", codec_options=OPTIONS))
            found = measured(context, passed("indexes.stores.extra", "crdt.stores.size"))
    assert found["not_measured"]["indexes"] == "the user is not authorized"
    assert found["sizes"]["stores"]["documents"] == 1
