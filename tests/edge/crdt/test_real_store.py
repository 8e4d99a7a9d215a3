"""The model of merging and the real Ditto store have the same results for any operations on a document."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.crdt.hybrid_clock import Clock
from edge.crdt.operations import Insert, Operation, Refused, statement
from edge.crdt.replica import Replica
from edge.store.sdk import unavailable
from edge.store.statements import StatementError
from edge.store.store import Store
from tests.edge.crdt.crdt_mutations import BY_THE_REAL_STORE, FIND, NOTICED
from tests.edge.crdt.devices import some_operations
from tests.profiles import examples

pytestmark = [
    pytest.mark.ditto,
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of one device."""
    with Store.open(tmp_path_factory.mktemp("conflicts") / "store") as opened:
        yield opened


numbers = itertools.count()


def agree(store: Store, sequence: list[Operation]) -> None:
    """Run a sequence on one store and the model, and compare after every step; at the end also in strict mode."""
    _id, device = f"document {next(numbers)}", Replica(Clock("a"))
    for now, operation in enumerate(sequence):
        dql, arguments = statement(operation, "conflicts", _id)
        try:
            device, _ = device.write(_id, operation, now)
        except Refused:
            with pytest.raises(StatementError, match="Identifier conflict"):
                store.mutate(dql, arguments)
        else:
            store.mutate(dql, arguments)
        assert read(store, _id) == device.document(_id).view()
    store.execute("ALTER SYSTEM SET DQL_STRICT_MODE = true")
    try:
        assert read(store, _id) == device.document(_id).view(strict=True)
    finally:
        store.execute("ALTER SYSTEM SET DQL_STRICT_MODE = false")


def read(store: Store, _id: str) -> dict[str, Any] | None:
    """Return the result of a query on a document, without its _id."""
    rows = store.execute("SELECT * FROM conflicts WHERE _id = :id", {"id": _id})
    return {name: value for name, value in rows[0].items() if name != "_id"} if rows else None


sequences = st.lists(some_operations, max_size=12).map(lambda rest: [Insert({"k": {"l": 1}, "m": 2}), *rest])


@examples(150)
@given(sequence=sequences)
def test_model_and_real_store_agree(store: Store, sequence: list[Operation]) -> None:
    agree(store, sequence)


@pytest.mark.soak
@examples(3_000)
@given(sequence=sequences)
def test_model_and_real_store_agree_for_a_long_time(store: Store, sequence: list[Operation]) -> None:
    agree(store, sequence)


@pytest.mark.parametrize("name", BY_THE_REAL_STORE)
def test_mutated_model_differs_from_the_real_store(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    BY_THE_REAL_STORE[name](monkeypatch)

    @settings(examples(150), **FIND)
    @given(sequence=sequences)
    def agreed(sequence: list[Operation]) -> None:
        agree(store, sequence)

    with pytest.raises(NOTICED):
        agreed()
