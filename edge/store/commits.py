"""Documents written in a store since a commit, including deletions, and documents that the engine cannot read.

The SDK reports neither: an observer reports no deletion, uses the wall clock to tell what is new, and ends the process,
as any query does, when a document in its result is nested too deep. So a small process reads the store's file
(commit_reader.py), and every reader asks ``unreadable`` before it reads documents that a device may have written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final, cast

from conformance.errors import TargetError
from conformance.files.packaged import program
from edge import cbor
from edge.document_keys import key_of

#: The reason why a document is not read.
TOO_DEEP: Final = "it is nested too deep for Ditto to read; take it out of the store with EVICT, and write it flatter"
_FILE: Final = Path("ditto_store", "db.sql")
_READER: Final = program("edge.store.commit_reader")


class Commits:
    """The commits of the store in ``directory``. Its methods may be called from any thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory.resolve() / _FILE
        self._log = self.path.with_name(f"{self.path.name}-wal")
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()
        self._own: list[int] = []
        self._examined: dict[str, int] = {}
        self._unreadable: dict[str, set[str]] = defaultdict(set)

    def changed(self) -> tuple[int, int] | None:
        """Return when the store's log was written to last, and its size; None while there is none."""
        try:
            found = self._log.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def pass_over(self, commit: int | None) -> None:
        """Take the documents of a commit for known: each was made in it, by the caller."""
        if commit is not None:
            with self._lock:
                self._own.append(commit)

    def present(self, names: Iterable[str]) -> dict[str, int]:
        """Return the last commit of each of these collections."""
        with self._lock:
            self._examine(names)
            return {name: self._examined[name] for name in names}

    def written(self, after: dict[str, int]) -> dict[str, list[str]]:
        """Keys of the documents written after these commits, by collection; moves the commits on."""
        with self._lock:
            found = self._ask(after, only_deep=False)
        written = {}
        for name, (at, documents) in found.items():
            after[name] = at
            if documents:
                written[name] = [key for key, _ in documents]
        return written

    def unreadable(self, name: str) -> set[str]:
        """Keys of the documents that must not be read or changed now: it would end the process."""
        with self._lock:
            self._examine([name])
            return set(self._unreadable[name])

    def remember(self, names: Iterable[str]) -> dict[str, Any]:
        """Store what is known of these collections; see ``recall``."""
        with self._lock:
            return {
                name: {"at": self._examined[name], "unreadable": sorted(self._unreadable[name])}
                for name in names
                if name in self._examined
            }

    def recall(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from what was remembered of this store, so that no document is examined twice."""
        with self._lock:
            for name, each in known.items():
                self._examined[name] = each["at"]
                self._unreadable[name] = set(each["unreadable"])

    def close(self) -> None:
        """End the process; it is started again when there is a question."""
        with self._lock:
            self._end()

    def _examine(self, names: Iterable[str]) -> None:
        """Examine what was written since the last time."""
        after = {name: self._examined.get(name, 0) for name in names}
        # A document that was forgotten and written again may be readable now.
        for name, (at, documents) in self._ask(after, only_deep=not any(map(self._unreadable.get, after))).items():
            self._examined[name] = at
            self._unreadable[name] -= {key for key, deep in documents if not deep}
            self._unreadable[name] |= {key for key, deep in documents if deep}

    def _ask(self, after: Mapping[str, int], *, only_deep: bool) -> dict[str, tuple[int, list[tuple[str, bool]]]]:
        question = {"after": dict(after), "own": self._own, "only_deep": only_deep}
        answer = self._exchange(question)
        if answer is None:  # the reader was killed
            self._end()
            answer = self._exchange(question)
        if answer is None or "error" in answer:
            why = answer["error"] if answer else "its reader ends at once"
            raise TargetError(
                f"{self.path}: the store's commits cannot be read ({why}); install the version of dittolive-ditto"
                " that this package names, and start again: nothing is lost"
            )
        self._own = []
        return {name: (each["at"], list(_documents(each["documents"]))) for name, each in answer.items()}

    def _exchange(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer; None when the process is not there any more."""
        if self._process is None:
            self._process = _start(self.path)
            question = {**question, "format": True}
        to, back = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        try:
            to.write(json.dumps(question) + "\n")
            to.flush()
            line = back.readline()
        except OSError:
            return None
        found: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return found

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _start(path: Path) -> subprocess.Popen[str]:
    # In a session of its own: Ctrl-C is for the bridge, which ends it.
    return subprocess.Popen(
        [sys.executable, "-P", str(_READER), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )


def _documents(found: Iterable[tuple[str, int]]) -> Iterator[tuple[str, bool]]:
    return ((key_of(cbor.loads(bytes.fromhex(identity))), bool(deep)) for identity, deep in found)
