"""Division of tests among workers of pytest-xdist: by file, because tests of a file share a server.

The fault catalogue is one file and a third of the time, so it is divided: each part makes databases of its own. Tests
of the bridge wait most of the time, so one worker at a time has them, while the others use the processor.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from xdist.scheduler.loadfile import LoadFileScheduling
from xdist.workermanage import WorkerController

_DIVIDED: Final = "tests/faults/test_faults.py"
_WAITING: Final = "tests/edge/bridge/"
PARTS: Final = 2


def part(name: str) -> int:
    """Return the part of the fault catalogue to which a test of this name and parameters belongs.

    A name that ends in a part, such as `[small-part1]`, is of that part.
    """
    named = re.search(r"-part(\d+)\]$", name)
    return int(named[1]) if named else zlib.crc32(name.encode()) % PARTS


class FileScheduling(LoadFileScheduling):
    """`--dist loadfile`, except for the divided file, waiting tests, and what happens after a worker has crashed."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Assign the next file; one of waiting tests only while no worker has another, unless no others are left."""
        units = [unit for assigned in self.assigned_work.values() for unit in assigned.items()]
        if any(file.startswith(_WAITING) and not all(unit.values()) for file, unit in units):
            other = next((file for file in self.workqueue if not file.startswith(_WAITING)), None)
            if other is not None:
                self.workqueue.move_to_end(other, last=False)
        super()._assign_work_unit(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Return the test in which the worker crashed, if any; the others of its files run elsewhere.

        pytest-xdist 3.8 would run that test again, which crashes the next worker, and wait for ever for reports on
        files of which every test had run.
        """
        units = [unit for unit in self.assigned_work.pop(node).items() if not all(unit[1].values())]
        if not units:
            return None
        _, first = units[0]
        crashed = next(test for test, is_completed in first.items() if not is_completed)
        first[crashed] = True
        self.workqueue.update((file, unit) for file, unit in units if not all(unit.values()))
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        return f"{file} {part(name)}" if file == _DIVIDED else file
