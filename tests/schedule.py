"""Division of tests among workers of pytest-xdist: by file, because tests of a file share a server.

The fault catalogue is one file and a third of the time, so it is divided: each part makes databases of its own.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from xdist.scheduler.loadfile import LoadFileScheduling

_DIVIDED: Final = "tests/faults/test_faults.py"
PARTS: Final = 2


def part(name: str) -> int:
    """Return the part of the fault catalogue to which a test of this name and parameters belongs.

    A name that ends in a part, such as `[small-part1]`, is of that part.
    """
    named = re.search(r"-part(\d+)\]$", name)
    return int(named[1]) if named else zlib.crc32(name.encode()) % PARTS


class FileScheduling(LoadFileScheduling):
    """`--dist loadfile`, except for the divided file."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        return f"{file} {part(name)}" if file == _DIVIDED else file
