"""An independent model of convergence: every operation is kept, and documents are derived from all of them.

No merging and no state: what an operation had seen is a set of numbers, and each reading starts from nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.crdt.hybrid_clock import NEVER, Stamp
from edge.crdt.operations import Delete, Increment, Insert, Operation, Refused, Replace, Restart, Set, Unset

Path = tuple[str, ...]
#: The result of reading a path: the stamp of its last write, its kind, and its value.
Reading = tuple[Stamp, str, Any]


@dataclass(frozen=True)
class Event:
    """One effect of an operation: it wrote a REGISTER, added to a COUNTER, touched a MAP, or removed ``kinds``."""

    what: str
    path: Path
    value: Any = None
    epoch: Stamp = NEVER
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Entry:
    """An acknowledged operation, with the numbers of the operations that its device had seen."""

    number: int
    _id: str
    operation: Operation
    stamp: Stamp
    seen: frozenset[int]
    events: tuple[Event, ...]


@dataclass
class Ledger:
    """All acknowledged operations, of all devices."""

    entries: list[Entry] = field(default_factory=list)

    def record(self, _id: str, operation: Operation, stamp: Stamp, seen: Collection[int]) -> Entry:
        """Add an operation; raise Refused if its device had seen a conflicting document."""
        events = tuple(_events(operation, self.reader(_id, seen), stamp))
        self.entries.append(Entry(len(self.entries), _id, operation, stamp, frozenset(seen), events))
        return self.entries[-1]

    def carried(self, entry: Entry) -> frozenset[int]:
        """Return the operations in a message: this one, and earlier additions of its site to the same COUNTER."""
        adds = {(event.path, event.epoch) for event in entry.events if event.what == "COUNTER"}
        earlier = {
            other.number
            for other in self.entries[: entry.number]
            if (other._id, other.stamp.site) == (entry._id, entry.stamp.site)
            and any(event.what == "COUNTER" and (event.path, event.epoch) in adds for event in other.events)
        }
        return frozenset({entry.number, *earlier})

    def reader(self, _id: str, seen: Collection[int]) -> Reader:
        """Return the document after these operations have arrived."""
        entries = [entry for entry in self.entries if entry._id == _id]
        return Reader([entry for entry in entries if entry.number in seen], entries)

    def everything(self, _id: str) -> Reader:
        """Return the document after all operations have arrived."""
        return self.reader(_id, range(len(self.entries)))


@dataclass
class Reader:
    """A document derived from the operations that have ``arrived``, of all its ``entries``."""

    arrived: list[Entry]
    entries: list[Entry]

    def __post_init__(self) -> None:
        arrived = [(entry, event) for entry in self.arrived for event in entry.events]
        self.removals = [(entry, event) for entry, event in arrived if event.what == "gone"]
        # A removal reports the write that it removed, which still counts as the last write.
        removed_events = [
            (entry, event) for entry in self.entries for event in entry.events if self.removed(entry, event)
        ]
        self.all = arrived + [each for each in removed_events if each not in arrived]
        self.deleted = max((e.stamp for e, event in self.removals if event.path == ()), default=NEVER)

    def document(self) -> dict[str, Any] | None:
        """Return the result of a query."""
        root = self._map(())
        return root[2] if root else None

    def at(self, path: Path) -> Reading | None:
        """Return the value at a path: the kind that was written last."""
        readings = [self.register(path), self._counter(path), self._map(path)]
        return max((reading for reading in readings if reading), key=lambda each: each[0], default=None)

    def register(self, path: Path) -> Reading | None:
        """Return the last write, unless a removal had seen it; null if a DELETE is later."""
        written = self._events("REGISTER", path)
        last, event = max(written, key=lambda each: each[0].stamp, default=(None, None))
        if last is None or event is None or self.removed(last, event):
            return None
        return last.stamp, "REGISTER", None if last.stamp < self.deleted else event.value

    def removed(self, entry: Entry, event: Event) -> tuple[Entry, Event] | None:
        """Return a removal that had seen the effect of an operation."""
        for removal, gone in self.removals:
            here = gone.path == event.path and event.what in gone.kinds
            above = gone.path == event.path[: len(gone.path)] != event.path and "MAP" in gone.kinds
            if (here or above) and entry.number in removal.seen:
                return removal, gone
        return None

    def epoch(self, path: Path) -> Stamp:
        """Return the last RESTART of a COUNTER."""
        return max((event.epoch for _, event in self._events("COUNTER", path)), default=NEVER)

    def _counter(self, path: Path) -> Reading | None:
        epoch = self.epoch(path)
        counted = [
            (entry.stamp, event.value)
            for entry, event in self._events("COUNTER", path)
            if event.epoch == epoch and not self.removed(entry, event)
        ]
        return (max(stamp for stamp, _ in counted), "COUNTER", sum(v for _, v in counted)) if counted else None

    def _map(self, path: Path) -> Reading | None:
        below = {event.path[len(path)] for _, event in self.all if event.path[: len(path)] == path != event.path}
        read = {name: reading for name in below if (reading := self.at((*path, name)))}
        values = {name: reading[2] for name, reading in read.items()}
        last, event = max(self._events("MAP", path), key=lambda each: each[0].stamp, default=(None, None))
        if last is not None and event is not None and not self.removed(last, event):
            return last.stamp, "MAP", values
        return (max(reading[0] for reading in read.values()), "MAP", values) if read else None

    def _events(self, what: str, path: Path) -> list[tuple[Entry, Event]]:
        return [(entry, event) for entry, event in self.all if (event.what, event.path) == (what, path)]


def _events(operation: Operation, before: Reader, stamp: Stamp) -> Iterator[Event]:
    there = before.document() is not None
    if isinstance(operation, Insert):
        if there and operation.on_conflict == "fail":
            raise Refused
        if there and operation.on_conflict == "do update_local_diff":
            yield from _differing(before, (), operation.values)
        elif not (there and operation.on_conflict == "do nothing"):
            yield from _values((), operation.values)
    elif there:
        yield from _update(operation, before, stamp)


def _update(operation: Operation, before: Reader, stamp: Stamp) -> Iterator[Event]:
    match operation:
        case Set(path, value):
            yield from _above(path)
            yield from _values(path, value)
        case Replace(name, value):
            yield from _above((name,))
            yield Event("REGISTER", (name,), value)
        case Increment(path, amount):
            yield from _above(path)
            yield Event("COUNTER", path, amount, before.epoch(path))
        case Restart(path, value):
            yield from _above(path)
            yield Event("COUNTER", path, value, stamp)
        case Unset(path):
            read = before.at(path)
            yield from _above(path) if len(path) > 1 else ()
            if read:
                yield Event("gone", path, kinds=frozenset({read[1]}))
        case Delete():
            yield Event("gone", (), kinds=frozenset({"MAP"}))


def _above(path: Path) -> Iterator[Event]:
    return (Event("MAP", path[:depth]) for depth in range(len(path)))


def _values(path: Path, value: Any) -> Iterator[Event]:
    if not isinstance(value, Mapping):
        yield Event("REGISTER", path, value)
        return
    yield Event("MAP", path)
    for name, each in value.items():
        yield from _values((*path, name), each)


def _differing(before: Reader, path: Path, values: Mapping[str, Any]) -> Iterator[Event]:
    for name, value in values.items():
        here = (*path, name)
        if isinstance(value, Mapping):
            yield from _differing(before, here, value)
        elif (held := before.register(here)) is None or held[2] != value:
            yield from _above(here)
            yield Event("REGISTER", here, value)
