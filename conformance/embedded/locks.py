"""File locks: who uses the embedded server, and who reads or regenerates its data; a lock ends with its process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from conformance.embedded import mongod
from conformance.errors import TargetError

if sys.platform != "win32":
    import fcntl


def flock(handle: int, *, exclusive: bool, wait: bool = False) -> bool:
    """Take the lock on an open file; False when another holds it, and ``wait`` is not wanted."""
    if sys.platform == "win32":
        raise TargetError(f"the embedded server runs on Linux x86-64 and macOS only: {mongod.ELSEWHERE}")
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def open_lock(path: Path) -> int:
    """Open a lock file, made where it is missing, readable by its owner only."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


@contextlib.contextmanager
def dataset_lock(directory: Path, *, exclusive: bool, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock on the data of the directory: exclusive to regenerate it, shared to read it.

    Waits as long as it takes; calls ``waiting()`` once if it has to wait. The lock is dropped when its holder
    dies, in whatever way. Raises TargetError when the directory cannot be used.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = open_lock(directory / "dataset.lock")
    except OSError as error:
        raise TargetError(unusable(directory, error)) from error
    try:
        if not flock(handle, exclusive=exclusive):
            if waiting is not None:
                waiting()
            flock(handle, exclusive=exclusive, wait=True)
        yield
    finally:
        os.close(handle)


def unusable(directory: Path, error: OSError) -> str:
    """Return in one line why the directory cannot be used, and what to do."""
    where = f" ({error.filename})" if error.filename else ""
    problem = f"cannot use {directory} for the embedded server: {error.strerror}{where}"
    return f"{problem}; set ZAVA_CACHE_DIR to another directory"
