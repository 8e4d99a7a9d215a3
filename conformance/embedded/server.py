"""A real mongod, a replica set of one, that the harness starts by itself when the user named no server.

Several processes may use one directory at once: the first starts the server, the others attach to it, and the
last one out stops it, also when it was killed. See embedded_supervisor for who holds which lock.

Measured on two cores with mongod 6.0.5, from start() to a primary that accepts writes: 0.35 s with a fresh
directory, 0.3 s with a used one, 4 ms to attach. stop() by the last user takes 1.0 s, all of it mongod's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypedDict

import platformdirs
from pymongo.errors import PyMongoError

from conformance.embedded import mongod
from conformance.embedded.locks import dataset_lock as dataset_lock
from conformance.embedded.locks import flock, open_lock, unusable
from conformance.embedded.mongod import find_mongod
from conformance.errors import TargetError
from conformance.files.packaged import program

__all__ = ["EmbeddedServer", "cache_directory", "dataset_lock", "find_mongod"]

POLL = 0.01
START_SECONDS = 60.0  # recovery of a large directory after a crash takes a while
STOP_SECONDS = 30.0  # more than the supervisor gives mongod before it kills it
SUPERVISOR = program("conformance.embedded.supervisor")


class State(TypedDict):
    """The content of state.json about the running server; valid only while supervisor.lock is held."""

    supervisor: int
    pid: int
    port: int
    uri: str
    options: list[Any]


def cache_directory(root: Path) -> Path:
    """Return the directory for the server and data of the project at ``root``; it is not created.

    ``<user cache directory>/zava-conformance/<name>-<8 hex digits of the resolved path>``; ZAVA_CACHE_DIR
    stands in for everything before the last part.
    """
    resolved = root.resolve()
    digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:8]
    base = os.environ.get("ZAVA_CACHE_DIR") or platformdirs.user_cache_path("zava-conformance", appauthor=False)
    return Path(base).expanduser() / f"{resolved.name}-{digest}"


def _until(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True


class EmbeddedServer:
    """A mongod on 127.0.0.1 whose data, log and locks are in one directory; use it as a context manager.

    ``cache_gb``: size of the WiredTiger cache in gigabytes (the first user decides). ``auth``: demand the
    credentials that are in the URI. ``replica_set=False``: a standalone server. ``linger``: seconds after which
    a server is stopped whose users all died. ``extra_args``: more arguments for mongod.

    ``uri`` and ``pid`` (of mongod) are set by start(). Not for use by several threads at once. A process forked
    by a user counts as that user.
    """

    uri: str = ""
    pid: int = 0

    def __init__(
        self,
        directory: Path,
        *,
        cache_gb: float = 1.0,
        auth: bool = False,
        replica_set: bool = True,
        linger: float = 1.0,
        extra_args: Sequence[str] = (),
    ) -> None:
        self.directory = directory.resolve()
        self.log = self.directory / "log" / "mongod.log"
        self._cache_gb = cache_gb
        self._auth = auth
        self._replica_set = replica_set
        self._linger = linger
        self._extra_args = list(extra_args)
        self._users: int | None = None

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Make sure the server runs and accepts writes; return its URI. May be called again after a crash.

        Raises TargetError, with nothing left running, when the server cannot be started.
        """
        try:
            for folder in ("db", "log"):
                (self.directory / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._start_lock():
                if self._users is None:
                    self._users = open_lock(self.directory / "users.lock")
                    flock(self._users, exclusive=False, wait=True)
                state = self._running()
                if state is None or not self._ready(state):
                    state = self._launch()
        except BaseException as error:
            with contextlib.suppress(TargetError, OSError):
                self.stop()
            if isinstance(error, OSError):
                raise TargetError(unusable(self.directory, error)) from error
            raise
        self.uri, self.pid = state["uri"], state["pid"]
        return self.uri

    def stop(self) -> None:
        """Leave the server. Returns at once while others use it, else when mongod is down (about a second)."""
        users, self._users = self._users, None
        if users is None:
            return
        try:
            with self._start_lock():
                state = self._state()
                # Without a state it never was up; the supervisor sees that nobody waits for it any more.
                if flock(users, exclusive=True) and state is not None:
                    self._shut_down(state)
        except OSError as error:
            raise TargetError(unusable(self.directory, error)) from error
        finally:
            os.close(users)

    def failure(self) -> str | None:
        """Return the one line that says why the server died while it was in use; None if it still runs.

        To be asked when a connection was lost, for instance because the disk is full. Takes up to two seconds.
        """
        with self._start_lock():
            return mongod.explain(self.directory) if _until(lambda: self._free("server.lock"), 2.0) else None

    @contextlib.contextmanager
    def _start_lock(self) -> Iterator[None]:
        handle = open_lock(self.directory / "start.lock")
        try:
            if not _until(lambda: flock(handle, exclusive=True), START_SECONDS + STOP_SECONDS):
                raise TargetError(f"another process is still starting the server in {self.directory}: try again")
            yield
        finally:
            os.close(handle)

    def _free(self, lock: str) -> bool:
        handle = open_lock(self.directory / lock)
        try:
            return flock(handle, exclusive=False)
        finally:
            os.close(handle)

    def _shut_down(self, state: State | None) -> None:
        """End what is left of the server, if anything, and wait until it is gone."""
        if state is not None and not self._free("server.lock"):
            # The supervisor stops mongod. It may have been killed itself: on macOS its mongod lives on.
            survivor = state["pid"] if self._free("supervisor.lock") else state["supervisor"]
            with contextlib.suppress(ProcessLookupError):
                os.kill(survivor, signal.SIGTERM)
        if not _until(lambda: self._free("server.lock"), STOP_SECONDS):
            raise TargetError(f"mongod in {self.directory} did not stop within {STOP_SECONDS:.0f} s: kill it")

    def _state(self) -> State | None:
        try:
            state: State = json.loads((self.directory / "state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return state

    def _options(self) -> list[Any]:
        return [self._auth, self._replica_set, self._extra_args]

    def _running(self) -> State | None:
        """Return the state of a server to attach to; None when one has to be started."""
        if not _until(lambda: self._free("supervisor.lock") or self._state(), START_SECONDS):
            raise TargetError(f"mongod in {self.directory} did not start: end it, or see its log {self.log}")
        state = self._state()
        if state is None or self._free("supervisor.lock"):
            return None
        if state["options"] != self._options():
            raise TargetError(f"a server with other options runs in {self.directory}: end the process that uses it")
        return state

    def _launch(self) -> State:
        binary = find_mongod()
        mongod.require_space(self.directory)
        self._shut_down(self._state())
        (self.directory / "state.json").unlink(missing_ok=True)
        secret = mongod.secret_file(self.directory) if self._auth else None
        command = [str(binary), *mongod.arguments(self.directory, self._cache_gb, self._replica_set, secret)]
        order = {
            "directory": str(self.directory),
            "linger": self._linger,
            "command": command + self._extra_args,
            "login": f"{mongod.USER}:{secret.read_text(encoding='utf-8')}@" if secret else "",
            "options": self._options(),
        }
        with self.log.with_suffix(".out").open("wb") as output:
            # A session of its own: Ctrl-C in the terminal is for the user, not for the server.
            subprocess.run(
                [sys.executable, "-I", "-S", str(SUPERVISOR)],
                input=json.dumps(order).encode(),
                stdout=output,
                stderr=output,
                cwd=self.directory,
                start_new_session=True,
                check=False,
            )
        if not _until(lambda: self._free("server.lock") or self._state(), START_SECONDS):
            raise TargetError(f"mongod in {self.directory} did not start in {START_SECONDS:.0f} s: see {self.log}")
        fresh = self._state()
        if fresh is None or not self._ready(fresh):
            raise TargetError(mongod.explain(self.directory))
        return fresh

    def _ready(self, state: State) -> bool:
        """Wait until the server accepts writes; False when it died meanwhile."""
        problem: object = "it is not primary"
        deadline = time.monotonic() + START_SECONDS
        with mongod.connect(state["port"]) as client:
            while time.monotonic() < deadline:
                try:
                    if mongod.bring_up(client, state["port"], state["uri"], replica_set=self._replica_set):
                        return True
                except PyMongoError as error:
                    problem = error
                if self._free("server.lock"):
                    return False
                time.sleep(POLL)
        raise TargetError(f"mongod in {self.directory} does not accept writes ({problem}): see its log {self.log}")
