"""The hybrid logical clock: what "last" means in last-writer-wins, on devices whose clocks disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, order=True)
class Stamp:
    """The time of a write: ``wall`` in milliseconds, ``logical`` within one of them; ``site`` breaks ties.

    Stamps of one site are all different, so no two writes have the same.
    """

    wall: int
    logical: int
    site: str


#: Before every write.
NEVER: Final = Stamp(-1, 0, "")
#: The time of documents inserted as INITIAL, on every device: before all others.
BEGINNING: Final = Stamp(0, 0, "")


@dataclass(frozen=True)
class Clock:
    """One device's clock; ``last`` is the latest stamp it has made or seen."""

    site: str
    last: Stamp = BEGINNING

    def tick(self, now: int) -> Clock:
        """Return the clock after one write at ``now`` (the device's own time); ``last`` is its stamp.

        Later than everything the device has seen, however far behind its own time is.
        """
        if now > self.last.wall:
            return Clock(self.site, Stamp(now, 0, self.site))
        return Clock(self.site, Stamp(self.last.wall, self.last.logical + 1, self.site))

    def observe(self, seen: Stamp) -> Clock:
        """Return the clock after a write of another device has arrived."""
        return Clock(self.site, max(self.last, seen))
