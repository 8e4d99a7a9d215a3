"""Observers of the store, and its end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from conformance.errors import TargetError
from edge.store import sdk_thread
from edge.store.statements import StatementError
from edge.store.store import Document, Store
from tests.edge.store.stores import directory, on, store, things

pytestmark = pytest.mark.ditto

__all__ = ["directory", "store", "things"]


#: Seconds within which what is expected happens on a busy machine.
SOON = 30.0


# Observation


def test_observer_receives_all_rows_at_once_and_after_changes(store: Store, things: str) -> None:
    results: Queue[list[Document]] = Queue()
    observer = store.observe(on(things, "SELECT * FROM THINGS WHERE n > :n"), results.put, {"n": 5})
    assert results.get(timeout=SOON) == []
    store.insert(things, [{"_id": "a", "n": 6}, {"_id": "b", "n": 1}])
    assert results.get(timeout=SOON) == [{"_id": "a", "n": 6}]
    store.mutate(on(things, "UPDATE THINGS SET n = 2 WHERE _id = 'b'"))  # outside before and after: no call
    store.mutate(on(things, "UPDATE THINGS SET n = 7 WHERE _id = 'b'"))
    assert sorted(row["_id"] for row in results.get(timeout=SOON)) == ["a", "b"]
    store.delete(things, ["a"])
    assert results.get(timeout=SOON) == [{"_id": "b", "n": 7}]
    observer.cancel()
    observer.cancel()
    assert (observer.ended, observer.failure, results.empty()) == (True, None, True)


def test_changes_during_a_callback_are_collected(store: Store, things: str) -> None:
    results: Queue[list[Document]] = Queue()
    called, go_on = threading.Event(), threading.Event()

    def slow(rows: list[Document]) -> None:
        results.put(rows)
        called.set()
        assert go_on.wait(SOON)

    observer = store.observe(on(things, "SELECT * FROM THINGS"), slow)
    assert called.wait(SOON)
    quick: Queue[int] = Queue()
    witness = store.observe(on(things, "SELECT * FROM THINGS"), lambda rows: quick.put(len(rows)))
    for number in range(6):
        assert quick.get(timeout=SOON) == number
        store.insert(things, [{"_id": number}])
    witness.cancel()
    go_on.set()
    seen = [len(results.get(timeout=SOON))]
    while seen[-1] < 6:
        seen.append(len(results.get(timeout=SOON)))
    observer.cancel()
    assert seen in ([0, 6], [0, 1, 6])


def test_callback_may_use_the_store_and_cancel_its_observer(store: Store, things: str) -> None:
    counted: Queue[tuple[int, str]] = Queue()

    def count_them(rows: list[Document]) -> None:
        counted.put((store.count(things), threading.current_thread().name))
        if rows:
            observer.cancel()

    observer = store.observe(on(things, "SELECT * FROM THINGS"), count_them)
    assert counted.get(timeout=SOON) == (0, "ditto-observer")
    store.insert(things, [{"_id": 1}])
    assert counted.get(timeout=SOON) == (1, "ditto-observer")
    assert (observer.ended, observer.failure) == (True, None)


def test_failing_callback_ends_the_observer(store: Store, things: str) -> None:
    calls: Queue[int] = Queue()

    def fail(rows: list[Document]) -> None:
        calls.put(len(rows))
        raise KeyError("no such thing")

    observer = store.observe(on(things, "SELECT * FROM THINGS"), fail)
    assert calls.get(timeout=SOON) == 0
    witness = store.observe(on(things, "SELECT * FROM THINGS"), lambda rows: calls.put(100 + len(rows)))
    assert calls.get(timeout=SOON) == 100
    store.insert(things, [{"_id": 1}])
    assert calls.get(timeout=SOON) == 101
    witness.cancel()
    assert (observer.ended, repr(observer.failure), calls.empty()) == (True, "KeyError('no such thing')", True)


@pytest.mark.parametrize("dql", ["SELECT * FRM c", "INSERT INTO c DOCUMENTS ({'_id': 1})"])
def test_invalid_query_is_not_observed(store: Store, dql: str) -> None:
    before = threading.active_count()
    with pytest.raises(StatementError, match="Ditto rejects"):
        store.observe(dql, list)
    assert threading.active_count() <= before + 1


# The end


def test_closed_store_rejects_statements(directory: Path) -> None:
    place = directory / "closing"
    with Store.open(place) as first:
        first.insert("c", [{"_id": 1}])
        results: Queue[list[Document]] = Queue()
        observer = first.observe("SELECT * FROM c", results.put)
        assert results.get(timeout=SOON) == [{"_id": 1}]
    first.close()
    assert observer.ended
    for use in (
        lambda: first.count("c"),
        lambda: first.observe("SELECT * FROM c", results.put),
        lambda: first.write([]),
    ):
        with pytest.raises(TargetError, match=r"closing: the store is closed; open it again$"):
            use()
    with Store.open(place) as second:
        assert second.execute("SELECT * FROM c") == [{"_id": 1}]


#: A query that runs for hours on the documents of `busy_store`.
ENDLESS = "SELECT count(*) AS n FROM c AS x JOIN c AS y ON x.g = y.g JOIN c AS z ON y.g = z.g WHERE x._id = -z._id - 1"


def busy_store(directory: Path) -> Store:
    """Return a store for ENDLESS."""
    store = Store.open(directory)
    store.insert("c", [{"_id": number, "g": 1} for number in range(2_000)])
    store.mutate("CREATE INDEX g ON c (g)")
    return store


def test_close_cancels_running_statements(directory: Path) -> None:
    store = busy_store(directory / "cancelled")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(store.execute, ENDLESS)
        while not any("JOIN" in row["text"] for row in store.execute("SELECT text FROM system:active_requests")):
            assert not running.done()
        store.close()
        with pytest.raises(TargetError, match="the store is closed"):
            running.result(SOON)


def test_statement_times_out(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with busy_store(directory / "late") as store:
        with monkeypatch.context() as patched:
            patched.setattr(sdk_thread, "LONGEST", 0.2)
            with pytest.raises(TargetError, match=r"late: Ditto did not answer within 0.2 seconds \(\"SELECT count"):
                store.execute(ENDLESS)
        assert store.count("c") == 2_000


def test_call_of_a_cancelled_waiter_ends_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    begun, go_on = threading.Event(), threading.Event()
    future = sdk_thread._Abandonable().submit(lambda: begun.set() or go_on.wait(SOON))
    assert begun.wait(SOON)
    assert not future.cancel()
    go_on.set()
    assert (future.result(SOON), failures) == (True, [])


def loops() -> int:
    """Return the number of stores with a running thread."""
    return sum(thread.name == "ditto" for thread in threading.enumerate())


def test_close_does_not_wait_for_a_callback(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = loops()
    store = Store.open(directory / "stuck")
    called, go_on = threading.Event(), threading.Event()

    def wait(rows: list[Document]) -> None:
        called.set()
        go_on.wait(SOON)

    observer = store.observe("SELECT * FROM c", wait)
    assert called.wait(SOON)
    store.close()
    assert (observer.ended, caplog.records, loops()) == (True, [], before)
    go_on.set()


def test_close_times_out(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(directory / "held")
    held = store._peer._native_handle
    monkeypatch.setattr(sdk_thread, "PATIENCE", 0.1)
    with pytest.raises(TargetError, match=r"held: the store did not close within 0.1 seconds; end the process"):
        store.close()
    store.close()
    del held
