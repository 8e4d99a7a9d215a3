"""The generator: documents for settings and a seed, with all derived values recomputed from the documents."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.config.configuration import Configuration
from conformance.config.loading import load_configuration
from conformance.config.settings import load_settings
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Model
from conformance.model.validators.document_validator import breaches
from generator import loader
from generator.columns.plan import BATCH, Plan
from generator.loader import load
from tests.conformance.embedded.processes import eventually
from tests.models import collection_of, model_of
from tests.validation import ROOT, shipped_model

pytestmark = pytest.mark.slow

MODEL = shipped_model()
SIZES = [(1, 1), (1, 5), (3, 200), (50, 1000)]
Dataset = Mapping[str, list[Document]]


def plan(**given: Any) -> Plan:
    """Return a plan of the project's model with these settings."""
    settings = load_settings(Path("none"), **given)
    return Plan(MODEL, load_configuration(MODEL, settings.constants()), settings)


@cache
def dataset(customers: int, orders: int, seed: int = 20240115, **given: Any) -> Dataset:
    """Return all documents by collection."""
    made: dict[str, list[Document]] = defaultdict(list)
    for name, batch in plan(num_customers=customers, num_orders=orders, seed=seed, **given).documents():
        made[name] += batch
    return made


@cache
def figures() -> Configuration:
    """Return the project's configuration, used for its parameters only."""
    return load_configuration(MODEL, {})


def by(made: Dataset, name: str, field: str) -> dict[Any, Document]:
    """Return the documents of a collection by a unique field."""
    return {document[field]: document for document in made[name]}


def cents(amount: float) -> int:
    """Return money as whole cents, from its decimal digits."""
    exact = Decimal(repr(amount)) * 100
    assert exact == exact.to_integral_value()
    return int(exact)


def half_up(amount: Decimal) -> int:
    """Round to the cent, ties up (all amounts here are positive)."""
    assert amount >= 0
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_counts_follow_the_settings(customers: int, orders: int) -> None:
    """Nine collections, in an order in which every reference is to an earlier one."""
    made = dataset(customers, orders)
    counts = {name: len(documents) for name, documents in made.items()}
    assert counts.pop("order_items") in range(orders, 5 * orders + 1)
    assert counts.pop("inventory") in range(2720, 3201)
    assert counts.pop("product_types") in range(20, 101)
    assert counts == {
        "stores": 8, "categories": 9, "products": 400, "product_embeddings": 400,
        "customers": customers, "orders": orders,
    }  # fmt: skip


def test_items_per_order_follow_their_weights() -> None:
    """The average is 2.1 within six standard errors, and every number from one to five occurs."""
    made = dataset(50, 1000)
    per_order = Counter(Counter(item["order_id"] for item in made["order_items"]).values())
    assert set(per_order) == {1, 2, 3, 4, 5}
    mean = sum(number * times for number, times in per_order.items()) / 1000
    assert abs(mean - 2.1) <= 6 * 1.179 / 1000**0.5


def digest(**given: Any) -> str:
    """Return a hash of every byte that would be stored, in order."""
    total = hashlib.sha256()
    for name, batch in plan(num_customers=5, num_orders=40, **given).documents():
        total.update(name.encode())
        for document in batch:
            total.update(bson.encode(document))
    return total.hexdigest()


def test_same_seed_gives_the_same_bytes() -> None:
    """The bytes do not depend on the process, the hash seed or the processor's BLAS; another seed changes them."""
    here = digest(seed=1)
    assert digest(seed=1) == here
    assert digest(seed=2) != here
    script = "from tests.generator.test_dataset import digest; print(digest(seed=1))"
    for other in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "OPENBLAS_CORETYPE": "Prescott"}):
        there = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=other, capture_output=True, text=True, check=True
        )
        assert there.stdout.strip() == here


@pytest.mark.parametrize(
    ("name", "field"),
    [("orders", "discount_total"), ("order_items", "discount_percent"), ("products", "gross_margin_percent")],
)
def test_whole_numbers_are_written_as_integers_and_as_doubles(name: str, field: str) -> None:
    """About half are of each type, in an independent order for each field, so that rules read both types."""
    values = [document[field] for document in dataset(50, 1000)[name] if field in document]
    integers = [value for value in values if type(value) is int]
    whole = [value for value in values if value == int(value)]
    assert {type(value) for value in values} == {int, float}
    assert 0.4 * len(whole) <= len(integers) <= 0.6 * len(whole)


def test_vectors_are_doubles() -> None:
    """Devices do not write vectors, and their elements are not intended to be whole numbers."""
    vectors = [document["description_embedding"] for document in dataset(3, 200)["product_embeddings"]]
    assert {type(element) for vector in vectors for element in vector} == {float}


def test_another_seed_changes_every_drawn_collection() -> None:
    """Fixed rows do not change, except for their creation dates."""
    one, other = dataset(3, 200), dataset(3, 200, seed=7)
    for name in one:
        if name not in ("categories", "product_types"):
            assert one[name] != other[name], name
    assert [o["_id"] for o in one["order_items"]] != [o["_id"] for o in other["order_items"]]


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_every_document_matches_its_schema(customers: int, orders: int) -> None:
    """The Python oracle validates them; none is deleted, and _id equals the id field if the model requires it."""
    made = dataset(customers, orders)
    for collection in MODEL:
        documents = made[collection.name]
        step = max(1, len(documents) // 150)  # a sample of large collections
        for document in documents[::step]:
            assert breaches(collection, document) == []
        for document in documents:
            assert document["deleted"] is False
            if collection.id_field:
                assert document["_id"] == document[collection.id_field]


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_references_resolve_and_keys_are_unique(customers: int, orders: int) -> None:
    """Every reference, every unique field and combination, and _id."""
    made = dataset(customers, orders)
    for collection in MODEL:
        documents = made[collection.name]
        for reference in collection.references:
            parents = {parent[reference.target_field] for parent in made[reference.target]}
            assert {d[reference.field] for d in documents if reference.field in d} <= parents
        for group in (("_id",), *collection.unique):
            keys = [tuple(document[field] for field in group) for document in documents]
            assert len(set(keys)) == len(keys), (collection.name, group)
    emails = [customer["email"].lower() for customer in made["customers"]]
    assert len(set(emails)) == len(emails)


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_duplicated_keys_and_snapshots_equal_their_source(customers: int, orders: int) -> None:
    """An item has the store of its order, a product the category of its type, and copies equal their source."""
    made = dataset(customers, orders)
    stores, types = by(made, "stores", "store_id"), by(made, "product_types", "type_id")
    products, of_order = by(made, "products", "product_id"), by(made, "orders", "order_id")
    people = by(made, "customers", "customer_id")
    for product in made["products"]:
        assert product["category_id"] == types[product["type_id"]]["category_id"]
        assert product["product_id"] == "prod_" + product["sku"].lower()
    for order in made["orders"]:
        person = people[order["customer_id"]]
        assert order["customer_name"] == f"{person['first_name']} {person['last_name']}"
        assert order.get("customer_email", person["email"]) == person["email"]
        assert order["store_name"] == stores[order["store_id"]]["store_name"]
    for item in made["order_items"]:
        assert item["store_id"] == of_order[item["order_id"]]["store_id"]
        for field in ("sku", "product_name"):
            assert item[field] == products[item["product_id"]][field]


@pytest.mark.parametrize(("customers", "orders"), SIZES)
def test_amounts_equal_decimal_arithmetic(customers: int, orders: int) -> None:
    """Recomputed from the documents' own digits, without the library: lines, orders, tax half up, prices, margins."""
    made = dataset(customers, orders)
    rates = figures().table("tax_rate")
    values = figures().table("store_order_value")
    products = by(made, "products", "product_id")
    lines: dict[str, list[Document]] = defaultdict(list)
    for item in made["order_items"]:
        lines[item["order_id"]].append(item)
        gross = item["quantity"] * cents(item["unit_price"])
        assert ("discount_percent" in item) == ("discount_amount" in item)
        discount = cents(item.get("discount_amount", 0.0))
        assert discount == half_up(gross * Decimal(repr(item.get("discount_percent", 0.0))) / 100)
        assert 0 <= discount <= gross
        assert cents(item["line_total"]) == gross - discount
        listed = cents(products[item["product_id"]]["base_price"]) * Decimal(repr(values[item["store_id"]]))
        assert int(listed * 9 / 10) <= cents(item["unit_price"]) <= listed * 11 / 10 + 1
    for order in made["orders"]:
        items = lines[order["order_id"]]
        subtotal = sum(item["quantity"] * cents(item["unit_price"]) for item in items)
        discounts = sum(cents(item.get("discount_amount", 0.0)) for item in items)
        tax = half_up(Decimal(subtotal - discounts) * Decimal(rates[order["store_id"]]) / 10_000)
        assert order["item_count"] == len(items) >= 1
        assert cents(order["subtotal"]) == subtotal
        assert cents(order["discount_total"]) == discounts
        assert subtotal - discounts == sum(cents(item["line_total"]) for item in items)
        assert cents(order["tax"]) == tax
        assert cents(order["total"]) == subtotal - discounts + tax
    for product in made["products"]:
        assert cents(product["base_price"]) == half_up(Decimal(cents(product["cost"])) * 100 / 67)
        margin = (Decimal(repr(product["base_price"])) - Decimal(repr(product["cost"]))) / Decimal(
            repr(product["base_price"])
        )
        assert round(100 * margin, 1) == Decimal("33.0")
        assert product["gross_margin_percent"] == 33.0


def test_taxes_that_end_in_half_a_cent_are_rounded_up() -> None:
    """Among a thousand orders there are such ties, and the documents have the upper cent."""
    ties = 0
    for order in dataset(50, 1000)["orders"]:
        exact = Decimal(cents(order["subtotal"]) - cents(order["discount_total"]))
        exact *= Decimal(figures().table("tax_rate")[order["store_id"]]) / 10_000
        if exact % 1 == Decimal("0.5"):
            ties += 1
            assert cents(order["tax"]) == exact + Decimal("0.5")
    assert ties


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2020-01-01", "2026-12-31"),
        ("2024-02-28", "2024-03-01"),
        ("2024-02-29", "2024-02-29"),
        ("2023-12-31", "2024-01-01"),
        ("2030-06-01", "2030-06-02"),
        ("1969-12-31", "1970-01-01"),
    ],
)
def test_dates_are_within_the_period(start: str, end: str) -> None:
    """The period is START_DATE to END_DATE inclusive; ids have the UTC day and a sequence number without gaps."""
    first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
    made = dataset(5, 400, start_date=first, end_date=last)
    orders, people = made["orders"], by(made, "customers", "customer_id")
    days = [order["order_date"][:10] for order in orders]
    assert start <= min(days)
    assert max(days) <= end
    if (last - first).days < 5:
        assert {min(days), max(days)} == {start, end}
    dates = [order["order_date"] for order in orders]
    assert dates == sorted(dates)
    sequence: Counter[str] = Counter()
    for order in orders:
        day = order["order_date"][:10].replace("-", "")
        sequence[day] += 1
        assert order["order_id"] == f"order_{day}_{sequence[day]:06d}"
        assert people[order["customer_id"]]["created_at"] < order["order_date"]
        assert order["created_at"] <= order["updated_at"]
    for person in made["customers"]:
        age = dt.datetime.fromisoformat(start + "T00:00:00+00:00") - dt.datetime.fromisoformat(person["created_at"])
        assert dt.timedelta(0) < age <= dt.timedelta(days=730)
        assert person["created_at"] <= person["updated_at"]
    of_order = by(made, "orders", "order_id")
    assert all(item["created_at"] == of_order[item["order_id"]]["order_date"] for item in made["order_items"])


def test_inventory_has_each_pair_once() -> None:
    """There are 0.85 to 1.0 of stores x products; optional fields are present and absent."""
    inventory = dataset(3, 200)["inventory"]
    pairs = Counter((one["store_id"], one["product_id"]) for one in inventory)
    assert max(pairs.values()) == 1
    assert 0.85 <= len(pairs) / (8 * 400) <= 1.0
    for name in ("reorder_threshold", "last_counted", "notes"):
        assert {name in one for one in inventory} == {True, False}
    assert {"bin" in one["location"] for one in inventory} == {True, False}


def test_orders_go_to_the_customers_of_their_store() -> None:
    """An order of a store without customers has any customer."""
    made = dataset(50, 1000)
    homes = by(made, "customers", "customer_id")
    settled = {customer["primary_store_id"] for customer in made["customers"]}
    for order in made["orders"]:
        if order["store_id"] in settled:
            assert homes[order["customer_id"]]["primary_store_id"] == order["store_id"]
    assert len({order["store_id"] for order in made["orders"]}) == 8


def test_embeddings_belong_to_their_product() -> None:
    """Each product has one, of unit length and the declared dimensions; only similar texts have similar vectors."""
    made = dataset(1, 1)
    assert [e["product_id"] for e in made["product_embeddings"]] == [p["product_id"] for p in made["products"]]
    for embedding in made["product_embeddings"][::40]:
        for name, size in (("image_embedding", 512), ("description_embedding", 1536)):
            assert len(embedding[name]) == size
            assert sum(x * x for x in embedding[name]) == pytest.approx(1)
    images = [embedding["image_embedding"] for embedding in made["product_embeddings"]]
    assert len({tuple(image) for image in images}) == 400


def test_batch_boundary_keeps_numbering_and_uniqueness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sequences continue across batches, ids are unique, and sums match their orders."""
    monkeypatch.setattr("generator.columns.plan.BATCH", 70)
    made = dataset(200, 201, batch_size=999)  # a setting of its own, so that the cache does not hold it
    sequence: Counter[str] = Counter()
    for order in made["orders"]:
        day = order["order_id"][6:14]
        sequence[day] += 1
        assert order["order_id"].endswith(f"_{sequence[day]:06d}")
    for name in ("customers", "orders", "order_items", "inventory", "products"):
        assert len({str(document["_id"]) for document in made[name]}) == len(made[name])
    assert [c["customer_id"] for c in made["customers"]] == [f"cust_{n:07d}" for n in range(1, 201)]
    assert len({c["email"] for c in made["customers"]}) == 200
    per_order = Counter(item["order_id"] for item in made["order_items"])
    assert {order["order_id"]: order["item_count"] for order in made["orders"]} == per_order
    assert len(made["inventory"]) > 70 * 2


def test_several_full_batches_are_generated() -> None:
    """Orders with their items, and customers, exceed BATCH."""
    sizes: dict[str, list[int]] = defaultdict(list)
    ids: dict[str, set[str]] = defaultdict(set)
    for name, batch in plan(num_customers=BATCH + 1, num_orders=BATCH + 1).documents():
        sizes[name].append(len(batch))
        ids[name].update(str(document["_id"]) for document in batch)
    assert sizes["customers"] == sizes["orders"] == [BATCH, 1]
    assert len(sizes["order_items"]) == 2
    assert {name: sum(each) for name, each in sizes.items()} == {name: len(each) for name, each in ids.items()}


_PEAK = """
import resource, sys
from tests.generator.test_dataset import plan
for _ in plan(num_customers=1000, num_orders=int(sys.argv[1])).documents():
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_orders() -> None:
    """Six batches of orders need hardly more memory than one: generated documents are not kept."""

    def peak(orders: int) -> int:
        run = subprocess.run(
            [sys.executable, "-c", _PEAK, str(orders)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return int(run.stdout)

    one, six = peak(BATCH), peak(6 * BATCH)
    assert six - one < 25_000  # kilobytes; the documents of one batch and its items take about as much


def test_loaded_documents_equal_generated_ones(database: Database[Document]) -> None:
    """Counts are compared, and every document of a collection byte for byte."""
    counts = load(plan(num_customers=5, num_orders=40).documents(), database, 7)
    made: dict[str, list[Document]] = defaultdict(list)
    for name, batch in plan(num_customers=5, num_orders=40).documents():
        made[name] += batch
    assert dict(counts) == {name: len(documents) for name, documents in made.items()}
    for name, documents in made.items():
        stored = {str(one["_id"]): one for one in database[name].find()}
        assert stored == {str(one["_id"]): one for one in documents}


def test_second_load_is_one_error(database: Database[Document]) -> None:
    """The server rejects the second _id; the error names it and suggests an empty database."""
    load(plan(num_customers=1, num_orders=1).documents(), database, 100)
    with pytest.raises(TargetError) as caught:
        load(plan(num_customers=1, num_orders=1).documents(), database, 100)
    assert "\n" not in str(caught.value)
    assert "empty" in str(caught.value)


@pytest.mark.parametrize(("batches", "writers"), [(1, 1), (2, 2), (9, 2)])
def test_signal_stops_loading_within_a_batch(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, batches: int, writers: int
) -> None:
    """The cases are a signal during generation, and one when all documents wait to be written."""
    sent = threading.Lock()
    come, left = threading.Event(), threading.Event()
    late: list[bool] = []

    def interrupted(*_: Any) -> None:
        come.set()
        raise KeyboardInterrupt

    def interrupt(_: str, __: int) -> None:
        if sent.acquire(blocking=False):
            os.kill(os.getpid(), signal.SIGUSR1)
        assert come.wait(60)
        late.append(left.wait(0.1))  # time for the loader to receive the signal

    monkeypatch.setattr(loader, "_WRITERS", writers)
    before = signal.signal(signal.SIGUSR1, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            load((("many", [{"n": n} for n in range(1_000)]) for _ in range(batches)), database, 100, interrupt)
        left.set()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert eventually(lambda: not [each for each in threading.enumerate() if each.name.startswith("loader")], 20)
    assert not any(late)
    # 100 of each writer when they hear at once
    assert 100 <= database["many"].count_documents({}) == 100 * len(late) <= 1_000


# -- models of one's own ----------------------------------------------------------------------------------------------


def generate(model: Model, **given: Any) -> Iterator[tuple[str, list[Document]]]:
    """Return the documents of a synthetic model."""
    settings = load_settings(Path("none"), **given)
    return Plan(model, load_configuration(model, settings.constants()), settings).documents()


NAME = {"type": "string", "minLength": 1, "maxLength": 10}
REFERENCE = {"x-bson": "objectId", "x-reference": "parents._id"}


@pytest.mark.parametrize(
    ("cardinality", "low", "high"),
    [
        ({"exactly": 0}, 0, 0),
        ({"exactly": 7}, 7, 7),
        ({"between": [4, 6]}, 4, 6),
        ({"per": ["parents"], "between": [0, 3]}, 0, 60),
        ({"per": ["parents"], "between": [2, 2]}, 40, 40),
        ({"per": ["parents"], "between": [1, 1]}, 20, 20),
        ({"per": ["parents"], "between": [0, 0]}, 0, 0),
    ],
)
def test_every_cardinality_of_a_synthetic_model_is_satisfied(
    cardinality: dict[str, Any], low: int, high: int, tmp_path: Path
) -> None:
    """Counts match the schema, per parent too; documents are valid and their references resolve."""
    schemas = {
        "parents": collection_of({"name": NAME}, cardinality={"exactly": 20}),
        "children": collection_of(
            {"parent": REFERENCE, "name": {**NAME, "x-snapshot": {"through": "parent", "of": ["name"]}}},
            cardinality=cardinality,
        ),
    }
    model = model_of(tmp_path, schemas)
    made: dict[str, list[Document]] = {"parents": [], "children": []}
    for name, batch in generate(model):
        made[name] += batch
    assert low <= len(made["children"]) <= high
    parents = by(made, "parents", "_id")
    for child in made["children"]:
        assert breaches(model["children"], child) == []
        assert child["name"] == parents[child["parent"]]["name"]
    if "per" in cardinality:
        fewest, most = cardinality["between"]
        per_parent = Counter(child["parent"] for child in made["children"])
        assert all(fewest <= per_parent[key] <= most for key in parents)


def _with_items(folder: Path, items: int) -> dict[str, list[Document]]:
    """Generate twelve thousand parents, more than two batches, and this number of children by a setting."""
    child = {"parent": REFERENCE | {"x-sample": {"reference": {"parent": "each"}}}}
    cardinality = {"per": ["parents"], "between": [1, 5], "setting": "NUM_CHILDREN"}
    schemas = {
        "parents": collection_of({"name": NAME}, cardinality={"setting": "NUM_PARENTS"}),
        "children": collection_of(child, cardinality=cardinality),
    }
    model = model_of(folder, schemas)
    text = f"defaults: {{NUM_PARENTS: 12000, NUM_CHILDREN: {items}}}\nparameters: {{each: {{1: 4, 2: 3, 5: 1}}}}\n"
    (folder / "config" / "generation.yaml").write_text(text, encoding="utf-8")
    made: dict[str, list[Document]] = {"parents": [], "children": []}
    for name, batch in generate(model):
        made[name] += batch
    return made


@pytest.mark.parametrize("items", [12_000, 25_147, 31_003, 60_000])
def test_setting_gives_the_exact_number_of_children(items: int, tmp_path: Path) -> None:
    made = _with_items(tmp_path, items)
    assert len(made["children"]) == items
    per_parent = Counter(child["parent"] for child in made["children"])
    assert per_parent.keys() == {parent["_id"] for parent in made["parents"]}
    assert set(per_parent.values()) <= {1, 2, 3, 4, 5}


def test_impossible_number_of_children_is_one_error(tmp_path: Path) -> None:
    message = (
        r"^NUM_CHILDREN: 60001 children for 12000 parents, but children.json says 1 to 5 for each; .* 12000 to 60000$"
    )
    with pytest.raises(ConfigurationError, match=message):
        _with_items(tmp_path, 60_001)


def test_calendar_at_midnight_gives_dates(tmp_path: Path) -> None:
    day = {"type": "string", "x-timestamp": True, "x-sample": {"calendar": {"year_weights": "years", "midnight": True}}}
    model = model_of(tmp_path, {"visits": collection_of({"day": day}, cardinality={"exactly": 400})})
    (tmp_path / "config" / "generation.yaml").write_text("parameters: {years: {2024: 1}}\n", encoding="utf-8")
    ((_, made),) = generate(model)
    assert {visit["day"][10:] for visit in made} == {"T00:00:00Z"}
    assert len({visit["day"] for visit in made}) > 200


def test_snapshot_of_an_absent_optional_field_is_absent(tmp_path: Path) -> None:
    """A copy exists only if its source exists."""
    copy = {**NAME, "x-snapshot": {"through": "parent", "of": ["name"]}}
    schemas = {
        "parents": collection_of({"name": NAME}, optional=["name"]),
        "children": collection_of({"parent": REFERENCE, "name": copy}, optional=["name"]),
    }
    made = dict(generate(model_of(tmp_path, schemas)))
    sources = by(made, "parents", "_id")
    assert {"name" in child for child in made["children"]} == {True, False}
    for child in made["children"]:
        assert child.get("name") == sources[child["parent"]].get("name")


def test_reference_to_an_empty_collection_is_one_error(tmp_path: Path) -> None:
    """The error is one line without a traceback."""
    schemas = {
        "parents": collection_of({"name": NAME}, cardinality={"exactly": 0}),
        "children": collection_of({"parent": REFERENCE}),
    }
    with pytest.raises(ConfigurationError) as caught:
        list(generate(model_of(tmp_path, schemas)))
    assert "\n" not in str(caught.value)
    assert "parents" in str(caught.value)


def test_setting_without_a_value_is_one_error(tmp_path: Path) -> None:
    """The model counts by a setting that has no value."""
    schemas = {"parents": collection_of({"name": NAME}, cardinality={"setting": "NUM_PARENTS"})}
    with pytest.raises(ConfigurationError, match="NUM_PARENTS"):
        list(generate(model_of(tmp_path, schemas)))
