"""Statements of the store: their effects on documents, transactions, names and rejections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.store.statements import BATCH, MAX_NAME, OnConflict, StatementError, identifier
from edge.store.store import Document, Store
from tests.edge.store.stores import directory, numbers, on, store, things
from tests.profiles import examples

pytestmark = pytest.mark.ditto

__all__ = ["directory", "store", "things"]


@pytest.fixture(scope="module")
def strict(directory: Path) -> Iterator[Store]:
    with Store.open(directory / "strict", strict_mode=True) as opened:
        yield opened


# Effects of statements on a document


FIRST = {"_id": "a", "n": 1, "m": {"x": 1, "y": {"z": 1}}, "l": [1, 2]}
Step = tuple[str, dict[str, Any]]
DONE: dict[str, tuple[Sequence[Step], dict[str, Any]]] = {
    "an object merges": ([("SET m = :v", {"v": {"w": 9}})], {"m": {"w": 9, "x": 1, "y": {"z": 1}}}),
    "an empty object changes nothing": ([("SET m = :v", {"v": {}})], {}),
    "a path": ([("SET m.y.z = 5", {})], {"m": {"x": 1, "y": {"z": 5}}}),
    "a path makes objects": ([("SET new.deep.path = 5", {})], {"new": {"deep": {"path": 5}}}),
    "a path hides a number": ([("SET n.deep = 5", {})], {"n": {"deep": 5}}),
    "unset": ([("UNSET m.x, n", {})], {"m": {"y": {"z": 1}}, "n": None}),
    "unset of nothing": ([("UNSET nothing", {})], {}),
    "unset below nothing leaves a husk": ([("UNSET none.such", {})], {"none": {}}),
    "set and unset": ([("SET n = 2, m.a = 3 UNSET m.x", {})], {"n": 2, "m": {"a": 3, "y": {"z": 1}}}),
    "arrays are replaced": ([("SET l = :v", {"v": [3]})], {"l": [3]}),
    "an object shows what was hidden": (
        [("SET m = 5", {}), ("SET m = :v", {"v": {"w": 9}})],
        {"m": {"w": 9, "x": 1, "y": {"z": 1}}},
    ),
    "unset shows what was hidden": ([("SET n = :v", {"v": {"w": 9}}), ("UNSET n", {})], {}),
    "unset and set replaces": ([("UNSET m", {}), ("SET m = :v", {"v": {"w": 9}})], {"m": {"w": 9}}),
    "a formula": ([("SET n = n + 1", {})], {"n": 2}),
}


def after(first: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first document with fields changed; None removes a field."""
    return {name: value for name, value in {**first, **changes}.items() if value is not None}


def changed(store: Store, things: str, steps: Sequence[Step]) -> list[Document]:
    store.insert(things, [FIRST])
    for clause, arguments in steps:
        assert store.mutate(on(things, f"UPDATE THINGS {clause} WHERE _id = 'a'"), arguments).ids == ["a"]
    return store.execute(on(things, "SELECT * FROM THINGS"))


@pytest.mark.parametrize(("steps", "changes"), DONE.values(), ids=DONE)
def test_update_changes_the_document(store: Store, things: str, steps: Sequence[Step], changes: dict[str, Any]) -> None:
    assert changed(store, things, steps) == [after(FIRST, changes)]


def test_null_is_stored_as_a_value(store: Store, things: str) -> None:
    assert changed(store, things, [("SET n = NULL, m.x = NULL", {})]) == [
        {**FIRST, "n": None, "m": {"x": None, "y": {"z": 1}}}
    ]


STRICT: dict[str, tuple[Step, dict[str, Any]]] = {
    "an object is replaced": (("SET m = :v", {"v": {"w": 9}}), {"m": {"w": 9}}),
    "by an empty one too": (("SET m = :v", {"v": {}}), {"m": {}}),
    "unset": (("UNSET m", {}), {"m": None}),
}


@pytest.mark.parametrize(("step", "changes"), STRICT.values(), ids=STRICT)
def test_update_in_strict_mode_changes_the_document(
    strict: Store, things: str, step: Step, changes: dict[str, Any]
) -> None:
    assert changed(strict, things, [step]) == [after(FIRST, changes)]


@pytest.mark.parametrize("clause", ["SET m.x = 2", "UNSET m.x", "SET n.deep = 1"])
def test_path_into_an_object_is_rejected_in_strict_mode(strict: Store, things: str, clause: str) -> None:
    with pytest.raises(StatementError, match="Unsupported DML operation on REGISTER field"):
        changed(strict, things, [(clause, {})])


MERGED = {"_id": "a", "n": 2, "m": {"x": 1, "y": {"z": 1}, "w": 1}, "l": [1, 2]}
CONFLICTS: dict[OnConflict, tuple[dict[str, Any], list[str], list[str]]] = {
    "do nothing": (FIRST, [], []),
    "do update": (MERGED, ["a"], ["a"]),
    "do update_local_diff": (MERGED, ["a"], []),
    "do merge": (MERGED, ["a"], ["a"]),
}


@pytest.mark.parametrize("policy", CONFLICTS)
def test_insert_follows_the_conflict_policy(store: Store, things: str, policy: OnConflict) -> None:
    expected, first, again = CONFLICTS[policy]
    dql = on(things, f"INSERT INTO THINGS DOCUMENTS (:document) ON ID CONFLICT {policy}")
    store.insert(things, [FIRST])
    newer = {"_id": "a", "n": 2, "m": {"w": 1}}
    assert store.mutate(dql, {"document": newer}).ids == first
    assert store.mutate(dql, {"document": newer}).ids == again
    assert store.execute(on(things, "SELECT * FROM THINGS")) == [expected]


def test_every_conflict_policy_is_tested() -> None:
    assert {*CONFLICTS, "fail"} == set(get_args(OnConflict))


@pytest.mark.parametrize("gone", ["delete", "evict"])
@pytest.mark.parametrize("policy", get_args(OnConflict))
def test_deleted_document_is_not_a_conflict(store: Store, things: str, gone: str, policy: OnConflict) -> None:
    store.insert(things, [FIRST, {"_id": "b"}])
    remove = getattr(store, gone)
    assert (remove(things, ["a", "nobody"]), remove(things, ["a"]), store.count(things)) == (["a"], [], 1)
    assert store.insert(things, [{"_id": "a", "m": {"w": 1}}], policy) == 1
    assert store.execute(on(things, "SELECT * FROM THINGS WHERE _id = 'a'")) == [{"_id": "a", "m": {"w": 1}}]


# Many at once, and all or nothing


def test_insert_writes_1000_documents_per_statement(store: Store, things: str) -> None:
    counted = []

    def rows() -> Iterator[Document]:
        for number in range(2 * BATCH + 1):
            if number % BATCH in (0, BATCH - 1):
                counted.append(store.count(things))
            yield {"_id": number}

    assert store.insert(things, rows()) == 2 * BATCH + 1
    assert counted == [0, 0, 1_000, 1_000, 2_000]
    assert sorted(store.delete(things, range(BATCH + 1))) == [*range(BATCH + 1)]
    history = store.execute("SELECT text, mutations FROM system:request_history ORDER BY times.start")
    begin = on(things, "DELETE FROM THINGS ")
    assert [row["mutations"] for row in history if row["text"].startswith(begin)] == [1_000, 1]
    assert (store.count(things), store.insert(things, [])) == (BATCH, 0)


def test_failed_statement_writes_nothing(store: Store, things: str) -> None:
    rows: list[Document] = [{"_id": number} for number in range(BATCH + 10)]
    with pytest.raises(StatementError, match="Document id 1003 is a duplicate"):
        store.insert(things, [*rows, {"_id": 1_003, "again": True}])
    assert store.count(things) == BATCH
    with pytest.raises(StatementError, match="Identifier conflict"):
        store.insert(things, [{"_id": "new"}, {"_id": 5}])
    assert store.count(things) == BATCH


def test_failed_transaction_writes_nothing(store: Store, things: str) -> None:
    insert = (on(things, "INSERT INTO THINGS DOCUMENTS (:d)"), {"d": FIRST})
    unset, evict = on(things, "UPDATE THINGS UNSET m WHERE _id = 'a'"), on(things, "EVICT FROM THINGS")
    assert store.write([insert, (unset, {}), (evict, {})]) == [["a"], ["a"], ["a"]]
    with pytest.raises(StatementError, match="Identifier conflict"):
        store.write([insert, insert])
    assert (store.count(things), store.write([])) == (0, [])


def test_readers_are_not_blocked_by_writers(store: Store, things: str) -> None:
    def add(some: int) -> int:
        return store.insert(things, [{"_id": [some, number]} for number in range(300)])

    with ThreadPoolExecutor(6) as pool:
        written = pool.map(add, range(5))
        seen = pool.submit(lambda: [store.count(things) for _ in range(20)]).result()
    assert (sum(written), store.count(things)) == (1_500, 1_500)
    assert seen == sorted(seen)
    assert {number % 300 for number in seen} == {0}


# Names


awkward = st.one_of(
    st.sampled_from(
        ["`", "``", "a`b", "a.b", "$set", "", "select", ":x", "--", "/*", "';DROP", "\\", "\\`", "é", "\n", "*"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
)


@examples(60)
@given(name=awkward, inner=awkward)
def test_names_are_quoted(store: Store, name: str, inner: str) -> None:
    things = f"names {next(numbers)}{name}"
    path = f"{identifier(f'x{name}')}.{identifier(inner)}"

    def on_path(dql: str) -> str:
        return dql.replace("PATH", path).replace("THINGS", identifier(things))

    store.insert(things, [{"_id": "a", f"x{name}": {inner: 1, f"{inner}+": 0}}, {"_id": "b"}])
    assert store.mutate(on_path("UPDATE THINGS SET PATH = 2 WHERE PATH = 1")).ids == ["a"]
    assert store.execute(on_path("SELECT * FROM THINGS WHERE PATH = 2")) == [
        {"_id": "a", f"x{name}": {inner: 2, f"{inner}+": 0}}
    ]
    store.mutate(on_path("UPDATE THINGS UNSET PATH WHERE _id = 'a'"))
    assert store.execute(on_path("SELECT * FROM THINGS WHERE _id = 'a'")) == [
        {"_id": "a", f"x{name}": {f"{inner}+": 0}}
    ]
    assert store.count(things) == 2


@pytest.mark.parametrize("name", ["n" * MAX_NAME, "é" * (MAX_NAME // 2)])
def test_too_long_collection_name_is_rejected(store: Store, name: str) -> None:
    assert (store.insert(name, [{"_id": "x" * 250}]), store.count(name)) == (1, 1)
    for use in (store.count, lambda longer: store.insert(longer, [{}]), lambda longer: store.delete(longer, [1])):
        with pytest.raises(StatementError, match="a collection's name has 1 to 255 bytes; shorten it"):
            use(name + "xx")


@pytest.mark.parametrize("name", ["\0", "a\0b"])
def test_nul_in_a_name_is_rejected(name: str) -> None:
    with pytest.raises(StatementError, match="a name with NUL is not allowed in DQL; rename the field"):
        identifier(name)


def test_missing_documents_and_collections_give_empty_results(store: Store) -> None:
    assert (store.count("nowhere"), store.execute("SELECT * FROM nowhere"), store.delete("nowhere", [1])) == (0, [], [])


# Refusals


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no statement": ("SELEKT 1", {}, "Unexpected token SELEKT at line 1 column 1"),
    "two lines": ("UPDATE c SET `m\nn` = 1, `m\nn`.o = 2", {}, "modification specified for the path m n"),
    "a missing argument": ("SELECT * FROM c WHERE a = :b", {}, "b"),
    "NaN": ("INSERT INTO c DOCUMENTS (:d)", {"d": {"_id": 1, "v": float("nan")}}, "Non finite float value"),
    "no value at all": ("INSERT INTO c DOCUMENTS (:d)", {"d": {"_id": 1, "v": object()}}, "object is not CBOR"),
    "no document": ("INSERT INTO c DOCUMENTS (:d)", {"d": 5}, "instead of an object"),
    "one path twice": ("UPDATE c SET m = 1 UNSET m WHERE _id = 'a'", {}, "More than one modification specified"),
    "NUL": ("SELECT '\0' FROM c", {}, "NUL"),
}


@pytest.mark.parametrize(("dql", "arguments", "reason"), REFUSED.values(), ids=REFUSED)
def test_rejected_statement_is_one_error(store: Store, dql: str, arguments: dict[str, Any], reason: str) -> None:
    store.insert("c", [{"_id": "a"}], "do nothing")
    with pytest.raises(StatementError) as refusal:
        store.mutate(dql, arguments)
    message = str(refusal.value)
    assert message.startswith(f"Ditto rejects {json.dumps(dql)}: ")
    assert reason in message
    assert "\n" not in message
    assert "ditto.com" not in message


def test_invalid_subscriptions_are_rejected(store: Store) -> None:
    store.validate_subscription("SELECT * FROM c WHERE a = :b AND x IN :list", {"b": 1, "list": [1, 2]})
    assert store._peer.sync.subscriptions == ()
    for dql in (
        "SELECT a FROM c",
        "SELECT * FROM c LIMIT 1",
        "SELECT * FROM c WHERE a IN (SELECT b FROM d)",
        "nothing",
    ):
        with pytest.raises(StatementError, match="Ditto rejects"):
            store.validate_subscription(dql)
