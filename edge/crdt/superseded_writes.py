"""The fate of a write: whether a state still reads it, or the rule by which it was superseded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from edge.crdt.document import Counter, Document, FieldPath, Kind, Map, Register, Tally
from edge.crdt.hybrid_clock import NEVER, Stamp


@dataclass(frozen=True)
class Write:
    """An acknowledged write of one value at ``path``; an addition to a COUNTER belongs to an ``epoch``."""

    path: FieldPath
    kind: Kind
    stamp: Stamp
    epoch: Stamp = NEVER


Rule = Literal["later write", "removed", "deleted", "restarted", "shadowed"]
#: The explanation of each rule for a write that is no longer read.
RULES: Final[Mapping[Rule, str]] = {
    "later write": "the REGISTER holds a write with a later stamp",
    "removed": "an UNSET or a DELETE that had seen the write took it away",
    "deleted": "the document was deleted later, by a DELETE that had not seen the write; it reads as null",
    "restarted": "the COUNTER was restarted, by a RESTART that the addition did not follow",
    "shadowed": "it is kept, but the field was written later as another kind, which is read instead",
}


@dataclass(frozen=True)
class Superseded:
    """The rule by which a write is no longer read, and the stamp of what superseded it."""

    rule: Rule
    by: Stamp


def writes(change: Document) -> Iterator[Write]:
    """Yield the writes that a change makes, one for each value."""
    yield from _writes(change.root, ())


def _writes(inside: Map, above: FieldPath) -> Iterator[Write]:
    for name, each in inside.fields.items():
        path = (*above, name)
        if each.register.stamp > NEVER:
            yield Write(path, "REGISTER", each.register.stamp)
        for tally in each.counter.tallies.values():
            if tally.stamp > NEVER:
                yield Write(path, "COUNTER", tally.stamp, each.counter.epoch)
        yield from _writes(each.map, path)


def superseded_by(document: Document, write: Write) -> Superseded | None:
    """Return the rule that superseded a write, or None; raise LookupError if it has not arrived."""
    held = document.at(write.path)
    lost = _counted(held.counter, write) if write.kind == "COUNTER" else _held(held.register, write, document.deleted)
    return lost or _shadowed(document, write)


def _held(register: Register, write: Write, deleted: Stamp) -> Superseded | None:
    if register.stamp < write.stamp and register.removal.seen < write.stamp:
        raise LookupError(f"{write} has not arrived")
    if register.stamp > write.stamp:
        return Superseded("later write", register.stamp)
    if not register.alive:
        return Superseded("removed", register.removal.by)
    return Superseded("deleted", deleted) if write.stamp < deleted else None


def _counted(counter: Counter, write: Write) -> Superseded | None:
    if counter.epoch > write.epoch:
        return Superseded("restarted", counter.epoch)
    tally = counter.tallies.get(write.stamp.site, Tally())
    if tally.removal.seen >= write.stamp:
        return Superseded("removed", tally.removal.by)
    if tally.stamp < write.stamp:
        raise LookupError(f"{write} has not arrived")
    return None


def _shadowed(document: Document, write: Write) -> Superseded | None:
    for depth in range(1, len(write.path) + 1):
        held = document.at(write.path[:depth])
        wanted: Kind = write.kind if depth == len(write.path) else "MAP"
        if held.shown is not None and held.shown != wanted:
            return Superseded("shadowed", held.variants[held.shown].updated)
    return None
