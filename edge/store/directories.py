"""Directories where a store can be opened."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from conformance.errors import TargetError
from conformance.files.private import FOLDER_MODE


def require_place(directory: Path, another: str, room: int) -> None:
    """Make the directory; raise TargetError where the SDK would say little, or end the process."""
    try:
        directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"{directory}: cannot be made: {error.strerror}; {another}") from None
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise TargetError(f"{directory}: cannot be written; give yourself the right to, or {another}")
    free = shutil.disk_usage(directory).free
    if free < room:
        raise TargetError(f"{directory}: {free:,} bytes are free there; a store needs {room:,}: make room")
