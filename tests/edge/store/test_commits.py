"""The reader of the store's file (commits.py), also if it is killed or the file's log is emptied."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from conformance.errors import TargetError
from edge.store import commit_reader
from edge.store.commits import Commits
from edge.store.store import Store
from tests.edge.bridge.pair import Pair, edge, pair, synced

pytestmark = pytest.mark.ditto

__all__ = ["edge", "pair", "synced"]

_NAMES = ["things", "people"]


@pytest.fixture
def store(edge: Path, tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as store:
        yield store


def readers() -> list[int]:
    """Return the readers that this process has started."""
    found = psutil.Process().children()
    return [each.pid for each in found if "commit_reader.py" in " ".join(each.cmdline())]


def kill_readers() -> None:
    for pid in readers():
        os.kill(pid, signal.SIGKILL)


def empty_the_log(store: Store) -> None:
    """Write the log back to the file, in a separate process like the reader."""
    code = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)'))"
    done = subprocess.run([sys.executable, "-c", code, store.commits.path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("(0, "), done.stdout


def test_each_collection_has_its_own_position(store: Store) -> None:
    """Writes, including deletions, are reported once; a collection that was never written to has none."""
    at = store.commits.present(_NAMES)
    assert store.commits.written(at) == {}
    store.insert("things", [{"_id": "a"}, {"_id": "b"}])
    assert store.commits.written(at) == {"things": ['"a"', '"b"']}
    store.insert("people", [{"_id": {"store": 1, "product": "x"}}])
    store.delete("things", ["a"])
    assert store.commits.written(at) == {"people": ['{"product":"x","store":1}'], "things": ['"a"']}
    assert store.commits.written(at) == {}


@pytest.mark.parametrize("disturb", [lambda _: kill_readers(), empty_the_log], ids=["reader killed", "log emptied"])
def test_disturbed_reader_misses_no_commit(store: Store, disturb: object) -> None:
    assert callable(disturb)
    at = store.commits.present(_NAMES)
    for number in range(5):
        store.insert("things", [{"_id": number}])
        disturb(store)
        assert store.commits.written(at) == {"things": [str(number)]}
        disturb(store)
        store.delete("things", [number])
        assert store.commits.written(at) == {"things": [str(number)]}


@pytest.mark.parametrize("disturb", [lambda _: kill_readers(), empty_the_log], ids=["reader killed", "log emptied"])
def test_bridge_continues_after_its_reader_is_killed(pair: Pair, disturb: object) -> None:
    """Edits, inserts and deletions of devices in two collections sync, whenever the reader is killed."""
    assert callable(disturb)
    pair.database["things"].insert_many([{"_id": f"{number}", "n": 0} for number in range(5)])
    with pair.live():
        for number in range(5):
            pair.device("UPDATE things SET n = 1 WHERE _id = :id", id=f"{number}")
            disturb(pair.store)
            pair.device("INSERT INTO people DOCUMENTS (:d)", d={"_id": f"{number}", "code": f"{number}"})
            pair.eventually(lambda n=number: pair.in_mongo("things", _id=f"{n}") == {"n": 1})
            pair.eventually(lambda n=number: pair.in_mongo("people", code=f"{n}") is not None)
            disturb(pair.store)
            pair.device("DELETE FROM things WHERE _id = :id", id=f"{number}")
            pair.eventually(lambda n=number: pair.in_mongo("things", _id=f"{n}") is None)
    assert pair.unsynced == {}


def test_list_of_own_commits_is_bounded() -> None:
    own: set[int] = set()
    database = sqlite3.connect(":memory:", isolation_level=None)
    for start in range(0, 100_000, 1_000):
        question = {"after": {}, "own": list(range(start, start + 1_000)), "only_deep": False}
        commit_reader._answer(database, question, own)
        assert len(own) <= 20_000
        assert start + 999 in own


def test_file_of_another_format_is_rejected(tmp_path: Path) -> None:
    """The error is one line, and no reader is left."""
    (tmp_path / "ditto_store").mkdir()
    with sqlite3.connect(tmp_path / "ditto_store" / "db.sql") as database:
        database.execute("CREATE TABLE __meta (k BLOB, v BLOB)")
        database.execute("INSERT INTO __meta VALUES (?, ?)", (b"\x02db_version\x00", b"bV9"))
    commits = Commits(tmp_path)
    try:
        with pytest.raises(TargetError, match=r"the format b'bV9' is not known.*install the version") as raised:
            commits.present(["things"])
        assert "\n" not in str(raised.value)
    finally:
        commits.close()
    assert readers() == []
