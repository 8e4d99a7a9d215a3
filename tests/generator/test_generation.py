"""The generator: counts, types, reproducibility, memory, and loading into a server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from typing import Any

import pytest
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.errors import TargetError
from generator import loader
from generator.columns.plan import BATCH
from generator.loader import load
from tests.conformance.embedded.processes import eventually
from tests.generator.datasets import SIZES, dataset, digest, plan
from tests.validation import ROOT

pytestmark = pytest.mark.slow


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


def test_same_seed_gives_the_same_bytes() -> None:
    """The bytes do not depend on the process, the hash seed or the processor's BLAS; another seed changes them."""
    here = digest(seed=1)
    assert digest(seed=1) == here
    assert digest(seed=2) != here
    script = "from tests.generator.datasets import digest; print(digest(seed=1))"
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
from tests.generator.datasets import plan
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
    named = re.match(r"the server rejected a document of (\w+): another document has _id ", str(caught.value))
    assert named is not None and named[1] in database.list_collection_names()


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
