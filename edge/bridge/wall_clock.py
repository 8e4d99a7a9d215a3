"""Steps of the wall clock, against a clock that nobody sets."""

from __future__ import annotations

import time
from typing import Final

#: Seconds that the two may drift apart between two looks.
_DRIFT: Final = 1.0


class WallClock:
    """Notices when the wall clock was set back."""

    def __init__(self) -> None:
        self._ahead = self._offset()

    def set_back(self) -> float:
        """Return by how many seconds the clock was set back since the last look; 0 if it was not."""
        before, self._ahead = self._ahead, self._offset()
        return max(0.0, before - self._ahead) if before - self._ahead > _DRIFT else 0.0

    def _offset(self) -> float:
        return time.time() - time.monotonic()
