"""Changes of devices on their way to MongoDB: found in the store's commits, by comparing documents, or left over.

A document waits here where Ditto holds more of it than MongoDB, or where others wrote it in MongoDB at the same time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Final

from edge.bridge.callbacks import FOLLOWING, Hooks
from edge.bridge.held_deletions import Holds
from edge.bridge.inbound import Inbound
from edge.bridge.outbound import Outbound
from edge.bridge.serialized import Turns
from edge.bridge.state.state import State
from edge.bridge.store_side.reconciliation import Census, audit, carried
from edge.bridge.store_side.store_changes import Feed
from edge.bridge.store_side.store_writer import Arrived
from edge.bridge.synced_collection import Synced
from edge.bridge.wall_clock import WallClock
from edge.store.look_up import chunks
from edge.store.store import Store

#: The key of the store's commits in the state.
EXAMINED: Final = "examined"
#: Seconds between looks at what is due now and then.
PULSE_SECONDS: Final = 0.2
#: Documents carried to MongoDB together.
_CHANGES: Final = 100


@dataclass(eq=False)
class DeviceChanges:
    """Carries what devices write, in turns; ``wake`` ends a wait, ``counts`` are those of the bridge."""

    store: Store
    state: State
    synced: Mapping[str, Synced]
    inbound: Inbound
    outbound: Outbound
    holds: Holds
    hooks: Hooks
    turns: Turns
    stop: Event
    counts: Counter[str]
    wake: Event = field(default_factory=Event, init=False)
    _waiting: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict), init=False)

    @property
    def waiting(self) -> bool:
        """True if a document is to be carried."""
        return any(self._waiting.values())

    def settle(self, arrived: Arrived) -> None:
        """Count what arrived in the store, and have the documents carried of which it holds more than MongoDB."""
        self.counts["to Ditto"] += arrived.written
        self.counts["conflicts"] += arrived.conflicts
        for name, key in arrived.differing:
            self._waiting[name][key] = None
        if arrived.differing:
            self.wake.set()

    def remember(self) -> None:
        """Spare the next run the documents that were examined in this one."""
        examined = self.store.commits.remember(self.synced)
        if examined != self.state.get(EXAMINED):
            with self.state.transaction():
                self.state.put(EXAMINED, examined)

    def carry(self, copying: Callable[[], bool]) -> None:
        """Carry what devices write until ``stop``; ``copying`` says whether documents are still being copied."""
        feed = Feed(self.store, self.synced, self.wake.set)
        census = Census(self.store, self.state, self.holds, list(self.synced))
        try:
            pages = self._pages(self.synced, feed.began)
            in_step, clock = False, WallClock()
            while not self.stop.is_set():
                self.wake.clear()
                for name, written in feed.take().items():
                    carry = partial(carried, self.store, self.state, self.holds, name, written)
                    self._flush({name: self.turns.do(carry)})
                self.flush_waiting()
                page = self.turns.do(partial(next, pages, None))
                if page is not None:
                    self._flush(dict([page]))
                    continue
                if not in_step and not self.turns.do(copying):
                    self.hooks.notice(FOLLOWING)
                    in_step = True
                self.wake.wait(PULSE_SECONDS)
                with self.turns.lock:
                    self.remember()
                names = census.short(self.turns.lock)
                if back := clock.set_back():
                    self.hooks.notice(f"the clock was set back by {back:,.0f} seconds: comparing the store's documents")
                    names = list(self.synced)
                pages = self._pages(names, feed.began)
        finally:
            feed.close()

    def compare(self, names: Iterable[str]) -> None:
        """Compare all documents of the collections with what MongoDB knows, and carry those that differ."""
        pages = self._pages(names)
        while (page := self.turns.do(partial(next, pages, None))) is not None:
            self._flush(dict([page]))

    def flush_waiting(self) -> None:
        """Carry the documents that wait."""
        with self.turns.lock:
            taken, self._waiting = self._waiting, defaultdict(dict)
        self._flush({name: list(keys) for name, keys in taken.items()})

    def _pages(self, names: Iterable[str], began: Mapping[str, int] | None = None) -> Iterator[tuple[str, list[str]]]:
        return ((name, keys) for name in names for keys in audit(self.store, self.state, self.holds, name, began))

    def _flush(self, keys: Mapping[str, list[str]]) -> None:
        for name, some in keys.items():
            for chunk in chunks(some, _CHANGES):
                self.turns.do(partial(self._flush_some, name, chunk))

    def _flush_some(self, name: str, keys: Sequence[str]) -> None:
        self.hooks.phase("flush")
        flushed = self.outbound.flush(name, keys)
        self.counts["to MongoDB"] += flushed.written
        self._waiting[name] |= dict.fromkeys(flushed.busy)
        if flushed.unknown:
            self.settle(self.inbound.merge(name, flushed.unknown, flushed.seen, 0, {}))
