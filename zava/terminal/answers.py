"""Lines that a user types."""

from __future__ import annotations

import select
import sys
from typing import Final

#: Seconds after which a signal is seen that came just before the wait.
_LATEST: Final = 0.2


def read_line() -> str:
    """Return the next line of the standard input with its line feed; an empty text at its end.

    On a terminal, waits for the line in short steps: Ctrl-C just before a read that blocks would take effect only once
    a line is typed.
    """
    while sys.stdin.isatty() and not select.select([sys.stdin], [], [], _LATEST)[0]:
        pass
    return sys.stdin.readline()
