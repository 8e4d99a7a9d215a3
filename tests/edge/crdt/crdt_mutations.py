"""Faulty versions of the model, each of which the devices or the real store must detect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import Phase

from edge.crdt import operations, superseded_writes
from edge.crdt.document import Counter, Document, Field, Map, Register, Tally
from edge.crdt.hybrid_clock import NEVER, Clock, Stamp
from edge.crdt.operations import Delete, Increment, Set, Unset
from edge.crdt.superseded_writes import Superseded, Write

Mutation = Callable[[pytest.MonkeyPatch], None]


def merging(kind: type, merge: Callable[[Any, Any], Any]) -> Mutation:
    """Merge this kind wrongly."""
    return lambda patch: patch.setattr(kind, "merge", merge)


def reading(kind: type, name: str, value: Callable[[Any], Any]) -> Mutation:
    """Give a property of this kind a wrong value."""
    return lambda patch: patch.setattr(kind, name, property(value))


def changing(kind: type, change: Callable[[Document, Any, Stamp], Document]) -> Mutation:
    """Do an operation wrongly."""
    return lambda patch: patch.setitem(operations._CHANGES, kind, change)


def in_order_of_arrival(one: Register, other: Register) -> Register:
    last = other if other.stamp > NEVER else one
    return Register(last.value, last.stamp, max(one.removal, other.removal))


def by_wall_time_only(one: Register, other: Register) -> Register:
    last = max(one, other, key=lambda each: each.stamp.wall)
    return Register(last.value, last.stamp, max(one.removal, other.removal))


def the_first_wins(one: Register, other: Register) -> Register:
    first = min((each for each in (one, other) if each.stamp > NEVER), key=lambda each: each.stamp, default=one)
    return Register(first.value, first.stamp, max(one.removal, other.removal))


def without_tombstone(one: Register, other: Register) -> Register:
    last = max(one, other, key=lambda each: each.stamp)
    return Register(last.value, last.stamp, one.removal)


def added_up(one: Tally, other: Tally) -> Tally:
    last = max(one, other, key=lambda each: each.stamp)
    return Tally(one.total + other.total, last.stamp, max(one.removal, other.removal), 0)


def common_fields(one: Map, other: Map) -> Map:
    fields = {name: one.fields[name].merge(other.fields[name]) for name in one.fields.keys() & other.fields.keys()}
    return Map(
        fields or {**one.fields, **other.fields}, max(one.touched, other.touched), max(one.removal, other.removal)
    )


def epochs_in_order_of_arrival(one: Counter, other: Counter) -> Counter:
    merged = {**one.tallies, **{site: one.tallies.get(site, Tally()).merge(t) for site, t in other.tallies.items()}}
    return Counter(other.epoch, merged)


def unset_all(document: Document, operation: Unset, stamp: Stamp) -> Document:
    return operations._at(operation.path, document.at(operation.path).removed(stamp), stamp)


def counting_on_from_the_register(document: Document, operation: Increment, stamp: Stamp) -> Document:
    held = document.at(operation.path).register.value
    start = held if isinstance(held, int) else 0
    return operations._increment(document, replace(operation, amount=operation.amount + start), stamp)


def set_as_register(document: Document, operation: Set, stamp: Stamp) -> Document:
    return operations._at(operation.path, Field(Register(operation.value, stamp)), stamp)


def set_as_replacement(document: Document, operation: Set, stamp: Stamp) -> Document:
    return operations._unset(document, Unset(operation.path), stamp).merge(operations._set(document, operation, stamp))


def deleting_what_is_shown(document: Document, _: Delete, stamp: Stamp) -> Document:
    fields = {name: each.removed(stamp, each.shown) for name, each in document.root.fields.items() if each.shown}
    return Document(Map(fields, removal=document.root.removed(stamp).removal), stamp)


def unmade_by_unset(document: Document, operation: Unset, stamp: Stamp) -> Document:
    held = document.at(operation.path)
    return operations._at(operation.path, held.removed(stamp, held.shown), stamp) if held.shown else Document()


def everything(_: Document, __: object, values: dict[str, Any], stamp: Stamp) -> Iterator[Document]:
    yield Document(operations._map(values, stamp))


def always_removed(document: Document, write: Write) -> Superseded | None:
    found = TRUE_RULE(document, write)
    return Superseded("removed", found.by) if found else None


def at_what_is_shown(document: Document, path: tuple[str, ...]) -> Field:
    held = ORIGINAL_AT(document, path)
    shown = held.shown
    return Field(**{shown.lower(): held.variants[shown]}) if shown else Field()


ORIGINAL_AT: Final = Document.at
TRUE_RULE: Final = superseded_writes.superseded_by


BY_DEVICES: Final[dict[str, Mutation]] = {
    "a register in order of arrival": merging(Register, in_order_of_arrival),
    "a register by wall time only": merging(Register, by_wall_time_only),
    "a register whose first write wins": merging(Register, the_first_wins),
    "a tombstone that is not passed on": merging(Register, without_tombstone),
    "removing wins": reading(Register, "alive", lambda self: self.stamp > self.removal.by),
    "a removed counter comes back": reading(Tally, "alive", lambda self: self.stamp > NEVER),
    "a counter that adds up what arrives twice": merging(Tally, added_up),
    "a counter as the largest tally": reading(
        Counter, "value", lambda self: max((tally.total for tally in self.tallies.values() if tally.alive), default=0)
    ),
    "a counter whose restarts go by arrival": merging(Counter, epochs_in_order_of_arrival),
    "a map of what both have": merging(Map, common_fields),
    "a map that a removal takes away, whatever is added": reading(
        Map, "alive", lambda self: self.touched > self.removal.seen
    ),
    "a delete that is not passed on": merging(
        Document, lambda one, other: Document(one.root.merge(other.root), one.deleted)
    ),
    "a register that always shows": reading(
        Field, "shown", lambda self: next((kind for kind, each in self.variants.items() if each.alive), None)
    ),
    "a clock that counts by wall time only": lambda patch: patch.setattr(
        Clock, "tick", lambda self, now: Clock(self.site, Stamp(now, 0, self.site))
    ),
    "a clock that does not listen": lambda patch: patch.setattr(Clock, "observe", lambda self, _: self),
    "unset of all variants": changing(Unset, unset_all),
    "a counter that starts at the register": changing(Increment, counting_on_from_the_register),
    "a rule for nothing": lambda patch: patch.setattr(superseded_writes, "superseded_by", lambda *_: None),
    "the wrong rule": lambda patch: patch.setattr(superseded_writes, "superseded_by", always_removed),
}
BY_THE_REAL_STORE: Final[dict[str, Mutation]] = {
    name: BY_DEVICES[name]
    for name in ("a register that always shows", "unset of all variants", "a counter that starts at the register")
} | {
    "objects as registers": changing(Set, set_as_register),
    "set that replaces a map": changing(Set, set_as_replacement),
    "delete of what is shown": changing(Delete, deleting_what_is_shown),
    "unset that makes no map": changing(Unset, unmade_by_unset),
    "a local diff that writes everything": lambda patch: patch.setattr(operations, "_differing", everything),
    "a local diff of what is shown": lambda patch: patch.setattr(Document, "at", at_what_is_shown),
}
#: No shrinking: a counterexample must exist, its size does not matter.
FIND: Final = {"phases": [Phase.generate], "database": None, "report_multiple_bugs": False}
NOTICED: Final = (AssertionError, LookupError, StopIteration, TypeError)
