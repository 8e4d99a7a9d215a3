"""State of the bridge between runs, in one SQLite file: positions, the ledger, the unsynced documents.

What belongs together is written in one transaction, so that a kill at any instant leaves a state that was true.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import bson

from conformance.errors import ConfigurationError, TargetError
from conformance.files.private import FILE_MODE, FOLDER_MODE
from edge.bridge.state.ledger import Ledger
from edge.bridge.state.unsynced_documents import UnsyncedDocuments
from edge.decoding import OPTIONS

if sys.platform != "win32":
    import fcntl

STATE_FILE: Final = "bridge.sqlite3"
#: SQLite's codes for a file that is no database, or of another program's, or whose pages are spoilt.
_DAMAGES: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOCK_FILE: Final = "bridge.lock"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (id BLOB PRIMARY KEY);
"""


class State:
    """The open file. Not for two threads at once: the bridge holds its lock around every use."""

    def __init__(self, directory: Path, database: sqlite3.Connection, lock: int | None) -> None:
        self.directory = directory
        self._database = database
        self._lock = lock
        self.ledger = Ledger(database)
        self.unsynced = UnsyncedDocuments(database)

    @classmethod
    def open(cls, directory: Path, *, option: str = "--state", anew: bool = False) -> Self:
        """Open or make the state in ``directory``, for its owner only; ``option`` is what names the directory.

        ``anew``: remove the one that is there; the bridge then compares all documents.

        Raises ConfigurationError when another bridge uses it, TargetError when it cannot be used.
        """
        try:
            directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            lock = _lock(directory, option)
            if anew:
                for end in ("", "-wal", "-shm"):
                    (directory / f"{STATE_FILE}{end}").unlink(missing_ok=True)
            # SQLite gives the files that it adds the mode of this one.
            os.close(os.open(directory / STATE_FILE, os.O_RDWR | os.O_CREAT, FILE_MODE))
        except OSError as error:
            raise TargetError(
                f"{directory}: the bridge's state cannot be written there: {error.strerror}; use another directory with"
                f" {option}"
            ) from None
        with _released(lock), in_words(directory):
            database = sqlite3.connect(directory / STATE_FILE, isolation_level=None, check_same_thread=False)
            # With WAL and NORMAL a commit outlives the process; only the machine's own end may take the last ones.
            database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _TABLES)
            return cls(directory, database, lock)

    @property
    def files(self) -> list[Path]:
        """The files that are open as long as the state is."""
        return [self.directory / STATE_FILE, self.directory / _LOCK_FILE]

    def close(self) -> None:
        """Leave the file; another bridge may use it. Safe to call again."""
        self._database.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; raises TargetError, one line, when the disk is full or the file cannot be written."""
        with in_words(self.directory):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def get(self, name: str) -> Any:
        """Return a remembered value; None when there is none."""
        with in_words(self.directory):
            found = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if found is None else bson.decode(found[0], OPTIONS)["value"]

    def put(self, name: str, value: Any) -> None:
        """Remember a value of any type that BSON has; None forgets it."""
        if value is None:
            self._database.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            self._database.execute("REPLACE INTO meta VALUES (?, ?)", (name, bson.encode({"value": value})))

    def add_session(self, session: bytes) -> None:
        """Remember a session of MongoDB as the bridge's own; to be done before writing in it."""
        self._database.execute("INSERT OR IGNORE INTO sessions VALUES (?)", (session,))

    def sessions(self) -> set[bytes]:
        """Every session that this bridge wrote in, in whatever run."""
        return {row[0] for row in self._database.execute("SELECT id FROM sessions")}

    def forget(self) -> None:
        """Empty everything, as if the bridge had never run."""
        for table in ("meta", "sessions"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
        self.ledger.clear()
        self.unsynced.clear()


def _lock(directory: Path, option: str) -> int | None:
    if sys.platform == "win32":
        return None
    handle = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ConfigurationError(
            f"{directory}: another bridge is running with this state; stop it, or use another directory with {option}"
        ) from None
    return handle


@contextmanager
def _released(lock: int | None) -> Iterator[None]:
    """Let go of the lock when opening fails."""
    try:
        yield
    except BaseException:
        if lock is not None:
            os.close(lock)
        raise


@contextmanager
def in_words(directory: Path) -> Iterator[None]:
    """Raise TargetError, one line, for what SQLite raises about the state in the directory."""
    try:
        yield
    except sqlite3.Error as error:
        file = directory / STATE_FILE
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGES:
            raise TargetError(
                f"{file}: the bridge's state is damaged ({error}); run again with --new-state to create it again; all"
                " documents are then compared, none is deleted, and where both sides differ MongoDB's value is kept"
            ) from None
        raise TargetError(
            f"{file}: {error}; make room or check the directory, then start again: nothing is lost"
        ) from None
