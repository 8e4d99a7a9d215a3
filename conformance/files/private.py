"""Files and folders that only their owner may read: documents of the database leave it in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def create_private(path: Path) -> IO[bytes]:
    """Create or empty a file that only its owner may read and write, and open it for writing."""
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags, FILE_MODE))


@contextmanager
def private_files() -> Iterator[None]:
    """Make everything that this process creates meanwhile its owner's only, what native code creates included."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
