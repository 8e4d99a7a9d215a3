"""Atomic writing of files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from conformance.errors import ConfigurationError


def write_text(path: Path, text: str) -> None:
    """Put ``text`` at ``path`` as UTF-8, in one step: a reader sees the old file or the new one, never a part.

    Missing folders are made. A lone surrogate is written as its escape, which JSON reads back. Raises
    ConfigurationError, one line, when the place cannot be written.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(text.encode("utf-8", "backslashreplace"))
        scratch.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written: {error.strerror}; free space, correct its permissions, or choose another"
            " folder"
        ) from None
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
