"""Files that are removed or replaced while they are open: what a program writes to them afterwards is lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from conformance.errors import TargetError


class OpenFiles:
    """Files as they are now; they must be open, so that their inodes are not given to others."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._found = {path: _inode(path) for path in paths}

    def require(self) -> None:
        """Raise TargetError where a file is not the one any more that was opened."""
        for path, inode in self._found.items():
            if _inode(path) != inode:
                raise TargetError(
                    f"{path.parent}: the directory was removed or replaced while the bridge was running; the bridge"
                    " stopped so that nothing is overwritten: start it again"
                )


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
