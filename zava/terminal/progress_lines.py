"""Progress as plain lines, where no terminal shows bars: in a log, a pipe, a CI job."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

#: Seconds between two lines.
LINE_SECONDS: Final = 20.0


class Lines:
    """Writes now and then how much is done of how much, and about how long the rest takes.

    The first report of each name is what was done before: it counts as done, and not towards the speed.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._started = self._last = clock()
        self._sizes: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._before: Counter[str] = Counter()

    def expect(self, sizes: Mapping[str, int]) -> None:
        """Set the expected total of each work; 0 if it is unknown."""
        if not self._done:
            self._started = self._last = self._clock()
        self._sizes.update({name: size - self._sizes[name] for name, size in sizes.items()})

    def __call__(self, name: str, by: int) -> None:
        """Advance the progress of the work of that name."""
        if name not in self._done:
            self._before[name] = by
        self._done[name] += by
        now = self._clock()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            self._write(f"{name}: {self._of(name)}{self._rest(now)}")

    def _of(self, name: str) -> str:
        done, size = self._done[name], self._sizes[name]
        return f"{done:,} of about {size:,} ({min(100, 100 * done // size)} %)" if size else f"{done:,}"

    def _rest(self, now: float) -> str:
        """Return the estimate for everything that is expected; nothing where a size or the speed is not known."""
        done, size = self._done.total(), self._sizes.total()
        fresh = done - self._before.total()
        if fresh <= 0 or size <= done or any(not self._sizes[name] for name in self._done):
            return ""
        return f"; about {duration((size - done) * (now - self._started) / fresh)} left for all"


def duration(seconds: float) -> str:
    """Return a duration to one or two units: 40 seconds, 12 minutes, 3 h 20 min."""
    if seconds < 90:
        number = max(1, round(seconds))
        return f"{number} second{'s' * (number > 1)}"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
