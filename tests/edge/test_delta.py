"""Deltas of documents: on values, compared with MongoDB's own descriptions, and on the real store."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Int64
from hypothesis import example, given
from hypothesis import strategies as st
from pymongo.collection import Collection
from pymongo.database import Database

from edge.bridge.state.ledger import Row
from edge.bridge.store_side.store_writer import Arrival
from edge.crdt.operations import Increment, Operation, Replace, Restart, Set, Unset, statement
from edge.delta import MISSING, Delta, as_dql, as_mongo, described, diff, equivalent, patched, same, value_at
from edge.document_keys import key_of
from edge.store.look_up import look_up
from edge.store.store import Store
from edge.values import Unsyncable
from tests.edge.bridge.pair import Document, edge, synced
from tests.profiles import examples

pytestmark = pytest.mark.slow

__all__ = ["edge", "synced"]

names = st.sampled_from(["a", "b", "c", "_id"])
scalars = st.sampled_from([None, True, False, 0, 1, 1.0, -1, 2**40, "", "a", [], [1, {"a": 1}]])
values = st.recursive(scalars, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=6)
documents = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), values, max_size=4)


@examples(300)
@given(documents, documents, st.booleans())
def test_delta_changes_the_old_into_the_new_document(old: Document, new: Document, maps: bool) -> None:
    delta = diff(old, new, maps=maps)
    assert same(patched(old, delta), new)
    assert bool(delta) == (not same(old, new))
    assert all(same(value_at(new, path), value) for path, value in delta.items())
    assert maps or all(len(path) == 1 for path, _ in delta.items())


@examples(100)
@given(documents, documents)
def test_inputs_are_not_modified(old: Document, new: Document) -> None:
    before = copy.deepcopy((old, new))
    patched(old, diff(old, new))
    described(old, {"updatedFields": {"a.b": 1, "c": 2}, "removedFields": ["b.a", "d"]})
    assert (old, new) == before


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        (1, 1.0, False),
        (1, True, False),
        (None, MISSING, False),
        (MISSING, MISSING, True),
        ([1, [2]], [1, [2.0]], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
    ],
)
def test_values_of_different_types_are_different(left: Any, right: Any, alike: bool) -> None:
    assert same(left, right) is alike


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        (25, 25.0, True),
        (Int64(25), 25.0, True),
        (25, 25.5, False),
        (2**53 + 1, float(2**53), False),
        (1, True, False),
        (0.0, False, False),
        ("1", 1, False),
        (None, MISSING, False),
        (MISSING, MISSING, True),
        ([1, {"a": 2}], [1.0, {"a": 2.0}], True),
        ([1, 2], [1.0], False),
        ({"a": 1}, {"a": 1.0, "b": 1}, False),
    ],
)
def test_numbers_are_equivalent_by_value(left: Any, right: Any, alike: bool) -> None:
    assert equivalent(left, right) is equivalent(right, left) is alike


def test_id_is_not_part_of_a_delta() -> None:
    assert not diff({"_id": 1, "a": 1}, {"_id": 2, "a": 1})
    assert diff({"m": {"_id": 1}}, {"m": {"_id": 2}}).set == {("m", "_id"): 2}


def test_delta_is_written_as_statements() -> None:
    delta = Delta({("a",): 1, ("m", "x y"): {"k": 2}}, (("b",), ("m", "`")))
    assert as_dql("things", "i", delta) == (
        "UPDATE `things` SET `a` = :v0, `m`.`x y` = :v1 UNSET `b`, `m`.```` WHERE _id = :id",
        {"id": "i", "v0": 1, "v1": {"k": 2}},
    )
    assert as_mongo(Delta({("a", "b"): 1}, (("c",),))) == {"$set": {"a.b": 1}, "$unset": {"c": ""}}


@pytest.mark.parametrize("name", ["a.b", "$a", ""])
def test_names_with_a_special_meaning_in_mongodb_are_rejected(name: str) -> None:
    with pytest.raises(Unsyncable) as refused:
        as_mongo(Delta({("m", name): 1}))
    assert refused.value.path == f"m.{name}"


# Descriptions that MongoDB gives of its updates

UPDATES: list[Any] = [
    {"$set": {"n": 2}},
    {"$set": {"m.x": 2, "m.y.z": 3, "new.deep": 4}},
    {"$unset": {"m.y": 1, "n": 1}},
    {"$push": {"l": 4}},
    {"$set": {"l.1": 9}},
    {"$set": {"l.2.a": 9}},
    {"$pop": {"l": -1}},
    {"$pull": {"l": {"a": 1}}},
    {"$rename": {"n": "k"}},
    {"$set": {"m": 1}},
    {"$set": {"m.0": 1}},
    [{"$set": {"m": {"$setField": {"field": "a.b", "input": "$m", "value": 1}}}}],
    [{"$replaceWith": {"$setField": {"field": "x.y", "input": "$$ROOT", "value": 1}}}],
]


@pytest.fixture
def watched(database: Database[Document]) -> Collection[Document]:
    return database["things"]


@pytest.mark.parametrize("update", UPDATES, ids=str)
def test_update_description_gives_the_exact_document_or_none(watched: Collection[Document], update: Any) -> None:
    """The result is never another document than the one in MongoDB."""
    before = {"_id": 1, "n": 1, "m": {"x": 1, "y": {"z": 1}}, "l": [1, 2, {"a": 1}]}
    watched.insert_one(before)
    with watched.watch() as stream:
        watched.update_one({"_id": 1}, update)
        event = stream.next()
    after = watched.find_one({"_id": 1})
    assert after is not None
    description = described(before, event["updateDescription"])
    assert description is None or same(description, after)
    if update in UPDATES[:3]:
        assert description is not None


# Effects of a delta in the store


@pytest.fixture(scope="module")
def store(edge: Any) -> Iterator[Store]:
    with Store.open(edge / "delta") as opened:
        opened.commits.present([])  # its reader lives as long as the store, not as long as a test
        yield opened


paths = st.lists(names, min_size=1, max_size=3).map(tuple).filter(lambda path: path[0] != "_id")
#: A device may do to a field what it likes; only objects as one REGISTER are for stores in strict mode.
operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Set, paths, values),
    st.builds(Set, paths, scalars),
    st.builds(Unset, paths),
    st.builds(Replace, st.sampled_from(["a", "b"]), scalars),
    st.builds(Increment, paths, st.just(1)),
    st.builds(Restart, paths, st.just(5)),
)
steps = st.lists(st.tuples(documents, st.lists(operations, max_size=4)), min_size=1, max_size=6)


def bring_each(store: Store, steps: list[tuple[Document, list[Operation]]]) -> None:
    """Apply MongoDB's documents to the store one after the other; in between a device edits, and both sides agree.

    So values of other kinds lie under those that show, and none of them may come up again.
    """
    arrival, key = Arrival(store, maps=True), key_of("a")
    store.delete("steps", ["a"])
    before = None
    for batch, (document, edits) in enumerate(steps):
        after = {"_id": "a", **document}
        assert arrival.bring([Row("steps", key, "a", after, origin=before)], batch).refused == []
        assert same(look_up(store, "steps", ["a"])[key], after)
        for edit in edits:
            store.mutate(*statement(edit, "steps", "a"))
        before = look_up(store, "steps", ["a"])[key]


@examples(60)
@given(steps)
@example([({"a": 1}, [Increment(("a",), 1), Set(("a",), {"b": 1})]), ({}, [])])
def test_store_follows_a_sequence_of_documents(store: Store, steps: list[tuple[Document, list[Operation]]]) -> None:
    bring_each(store, steps)


@pytest.mark.soak
@examples(3_000)
@given(steps)
def test_store_follows_a_long_sequence_of_documents(
    store: Store, steps: list[tuple[Document, list[Operation]]]
) -> None:
    bring_each(store, steps)


NEW = {"_id": "new", "n": 1}
THERE = {"_id": "there", "n": 1, "m": {"a": 1}}
#: Values that Ditto does not accept in an _id.
REFUSED = {"_id": 1.5}
BATCHES: dict[str, tuple[list[Document], int, list[tuple[str, str]]]] = {
    "all new": ([NEW], 1, []),
    "one is there": ([NEW, THERE], 2, [("batches", '"there"')]),
    "one is refused": ([NEW, REFUSED], 1, []),
    "one of each": ([REFUSED, THERE, NEW], 2, [("batches", '"there"')]),
}


@pytest.mark.parametrize("case", BATCHES)
def test_batch_skips_existing_and_rejected_documents(store: Store, case: str) -> None:
    """Other changes of the batch are applied; values that only the device has are kept, and reported as different."""
    documents, written, differing = BATCHES[case]
    store.execute("EVICT FROM batches")
    store.insert("batches", [{"_id": "there", "n": 0, "mine": 2}, {"_id": "old", "n": 0}])
    rows = [Row("batches", key_of(each["_id"]), each["_id"], each) for each in documents]
    old = Row("batches", key_of("old"), "old", {"_id": "old", "n": 1}, origin={"_id": "old", "n": 0})
    arrived = Arrival(store, maps=True).bring([*rows, old], 1)
    held = {each["_id"]: each for each in store.execute("SELECT * FROM batches")}
    there = {**THERE, "mine": 2} if THERE in documents else {"_id": "there", "n": 0, "mine": 2}
    assert held == {"new": NEW, "there": there, "old": {"_id": "old", "n": 1}}
    assert (arrived.written, arrived.conflicts, arrived.differing) == (written + 1, 0, differing)
    assert [row.base for row, _ in arrived.refused] == [each for each in documents if each is REFUSED]
