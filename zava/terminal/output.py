"""The program's output: it never fails for a reader that leaves, or for a character that the terminal has not."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO


class Output:
    """A text stream that goes on silently when its reader has left; ``abandoned`` tells whether that happened.

    ``zava validate | head -1`` has a verdict all the same, and its exit code is the verdict's. Everything else is the
    stream's own.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.abandoned = False

    def __getattr__(self, name: str) -> Any:
        """Return what the stream has under that name."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, or nothing when nobody reads."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._abandon()
            return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._abandon()

    def _abandon(self) -> None:
        """Let what is buffered, and all that follows, go nowhere, so that Python can flush it at the end."""
        self.abandoned = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def prepare() -> None:
    """Let stdout and stderr take any character, as an escape if need be, and outlive their readers."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            continue
        if isinstance(stream, io.TextIOWrapper):
            # A locale of ASCII means that none is set, as in LC_ALL=C.
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if ascii_only else None, errors="backslashreplace")
        if not isinstance(stream, Output):
            setattr(sys, name, Output(stream))


def abandoned() -> bool:
    """Return whether the reader of stdout has left, so that a command that only shows something may end."""
    return isinstance(sys.stdout, Output) and sys.stdout.abandoned
