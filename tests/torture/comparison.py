"""Content that both sides must have in the end, by the documented rules; no code of the bridge is used here.

The rules (docs/CONFLICTS.md, docs/ARCHITECTURE.md, the connector's documentation):

- A write that has seen another wins over it. So no value may remain that a later acknowledged write has overwritten,
  and a field that only one program writes holds the last value that the program wrote.
- Of two writes to one field that have not seen each other, either may win, but both sides agree.
- A document that was deleted on either side is absent on both; a document that was not deleted is on both.
- ObjectId, date and Decimal128 arrive on devices as text; other types than JSON's are not replicated.
- A document that cannot be synced stays unchanged, and is among the unsynced documents with a reason.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

Document = dict[str, Any]
Place = tuple[str, str]

MADE, DELETED = "made", "deleted"
#: A writer's record that there was no value; None means "not known yet".
NOTHING = "nothing"


@dataclass
class Write:
    """One write of a field: its value, the value that the writer saw before, and whether it was acknowledged."""

    writer: str
    value: Any
    saw: Any
    acknowledged: bool = False


@dataclass
class Stray:
    """A document that can hardly cross: where it was made, and what it is as that side holds it."""

    name: str
    collection: str
    identity: Any
    document: Document | None
    acknowledged: bool = False


@dataclass
class Journal:
    """Everything that the writers of both sides tried, and what was acknowledged."""

    fields: dict[tuple[str, str, str], list[Write]] = field(default_factory=lambda: defaultdict(list))
    tried: dict[str, set[Place]] = field(default_factory=lambda: {MADE: set(), DELETED: set()})
    done: dict[str, set[Place]] = field(default_factory=lambda: {MADE: set(), DELETED: set()})
    strays: dict[str, list[Stray]] = field(default_factory=lambda: {"device": [], "mongo": []})
    _lock: Lock = field(default_factory=Lock)

    def note(self, kind: str, writer: str, place: Place, what: str, value: Any = None, saw: Any = None) -> None:
        """Record one step of a writer: ``try`` before it writes; ``ack`` or ``none`` after."""
        with self._lock:
            self._note(kind, writer, place, what, value, saw)

    def _note(self, kind: str, writer: str, place: Place, what: str, value: Any, saw: Any) -> None:
        if what in self.tried:
            if kind == "none":
                return
            (self.tried if kind == "try" else self.done)[what].add(place)
            return
        history = self.fields[(*place, what)]
        if kind == "try":
            history.append(Write(writer, value, None if saw == NOTHING else saw))
        elif kind == "ack":
            write = next(write for write in reversed(history) if write.value == value)
            write.acknowledged = True
            write.saw = (None if saw == NOTHING else saw) if saw is not None else write.saw
        else:  # nothing changed, because the document was not there
            history[:] = [write for write in history if write.value != value]

    def note_stray(self, side: str, step: str, stray: Stray) -> None:
        """Record that a stray document was tried (``try``) or is there (``ack``)."""
        with self._lock:
            if step == "try":
                self.strays[side].append(stray)
            else:
                next(one for one in self.strays[side] if one.name == stray.name).acknowledged = True

    def forget_collection(self, name: str) -> None:
        """Record that MongoDB has no document of the collection any more."""
        with self._lock:
            gone = {place for place in self.tried[MADE] if place[0] == name}
            self.tried[DELETED] |= gone
            self.done[DELETED] |= gone

    @property
    def acknowledged(self) -> int:
        """Return the number of acknowledged writes to fields."""
        return sum(write.acknowledged for history in self.fields.values() for write in history)


@dataclass
class Sides:
    """Content of each side: chatter by place, strays by collection and identity as text, and unsynced documents."""

    mongo: Mapping[Place, Document]
    stores: Mapping[str, Mapping[Place, Document]]
    mongo_strays: Mapping[Place, Document]
    store_strays: Mapping[str, Mapping[Place, Document | None]]
    unsynced: Sequence[Mapping[str, str]]


def problems(journal: Journal, sides: Sides) -> list[str]:
    """Return a line for every violation of the rules; an empty list if both sides hold what they must."""
    found = [*_documents(journal, sides), *_fields(journal, sides.mongo)]
    for device, held in sides.stores.items():
        found += [f"{device}: {line}" for line in _differences(sides.mongo, held)]
        found += [f"{device}: {line}" for line in _strays(journal, sides, device)]
    return found


def as_device_has_it(value: Any) -> Any:
    """Return a value of MongoDB as a device has it; raise ValueError for a type that is not replicated."""
    if isinstance(value, Mapping):
        return {name: as_device_has_it(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_device_has_it(inner) for inner in value]
    if isinstance(value, ObjectId | Decimal128):
        return str(value)
    if isinstance(value, DatetimeMS):
        value = value.as_datetime()
    if isinstance(value, dt.datetime):
        utc = value.astimezone(dt.UTC) if value.tzinfo else value
        return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
    if isinstance(value, Int64):
        return int(value)
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ValueError(type(value).__name__)


def alike(left: Any, right: Any) -> bool:
    """Compare values with their types: 1 is neither 1.0 nor true."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(alike(left[name], right[name]) for name in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(alike, left, right))
    return bool(left == right)


def _without_id(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "_id"}


def _documents(journal: Journal, sides: Sides) -> Iterator[str]:
    deleted = journal.done[DELETED]
    for place in sorted(journal.done[MADE] - journal.tried[DELETED] - sides.mongo.keys()):
        yield f"{place}: was made, was never deleted, and is lost"
    for place in sorted(deleted & sides.mongo.keys()):
        yield f"{place}: was deleted and is back"
    for place in sorted(sides.mongo.keys() - journal.tried[MADE]):
        yield f"{place}: no writer made it"


def _fields(journal: Journal, mongo: Mapping[Place, Document]) -> Iterator[str]:
    for (name, key, path), history in sorted(journal.fields.items()):
        if (name, key) not in mongo or (name, key) in journal.tried[DELETED]:
            continue
        final: Any = mongo[name, key]
        for step in path.split("."):
            final = final.get(step) if isinstance(final, dict) else None
        yield from (f"{name} {key}, {path}: {line}" for line in _history(history, final))


def _history(history: list[Write], final: Any) -> Iterator[str]:
    acknowledged = [write for write in history if write.acknowledged]
    if final is not None and final not in [write.value for write in history]:
        yield f"{final} was never written"
    for write in acknowledged:
        if final == write.saw:
            yield f"{final} is back; {write.writer} had overwritten it with {write.value}"
    if len({write.writer for write in history}) == 1:
        yield from _alone(history, final)
    else:
        last = {write.writer: write for write in acknowledged}
        own = next((write for write in history if write.value == final), None)
        if own is not None and own.writer in last and _before(history, own, last[own.writer]):
            yield f"{final} is back; {own.writer} wrote {last[own.writer].value} later"
        if final is None and acknowledged:
            yield f"all {len(acknowledged)} acknowledged writes are lost"


def _before(history: list[Write], first: Write, second: Write) -> bool:
    return history.index(first) < history.index(second)


def _alone(history: list[Write], final: Any) -> Iterator[str]:
    """Check a field that one program writes: it sees its own last write each time, and so does everybody in the end."""
    possible: list[Any] = [None]
    for write in history:
        if write.acknowledged and write.saw not in possible:
            yield f"{write.writer} wrote {possible[0]} and then saw {write.saw}: it was reverted under way"
        possible = [write.value] if write.acknowledged else [*possible, write.value]
    if final not in possible:
        yield f"{final} instead of {' or '.join(map(str, possible))}"


def _differences(mongo: Mapping[Place, Document], store: Mapping[Place, Document]) -> Iterator[str]:
    for place in sorted(mongo.keys() | store.keys()):
        if place not in store:
            yield f"{place}: only in MongoDB"
        elif place not in mongo:
            yield f"{place}: only in the store"
        else:
            theirs = _without_id(as_device_has_it(mongo[place]))
            if not alike(theirs, _without_id(store[place])):
                yield f"{place}: MongoDB has {theirs}, the store {_without_id(store[place])}"


def _strays(journal: Journal, sides: Sides, device: str) -> Iterator[str]:
    """Each stray is unchanged where it was made, and either on the other side as it should be or unsynced."""
    claims: dict[tuple[str, str], list[str]] = defaultdict(list)
    for side, direction in (("device", "to MongoDB"), ("mongo", "to Ditto")):
        for stray in journal.strays[side]:
            if not stray.acknowledged:
                continue
            place = (stray.collection, text_of(stray.identity))
            store, mongo = sides.store_strays[device], sides.mongo_strays
            here: Mapping[Place, Document | None] = store if side == "device" else mongo
            if place not in here:
                yield f"stray {stray.name}: is lost on the side it was made on"
                continue
            now = here[place]
            if now is not None and stray.document is not None and not alike(now, stray.document):
                yield f"stray {stray.name}: was changed where it was made"
            if place in store and place in mongo:
                held = store[place]
                if held is not None and not _crossed(mongo[place], held):
                    yield f"stray {stray.name}: differs on both sides"
            else:
                claims[stray.collection, direction].append(f"{stray.name} ({text_of(stray.identity)[:80]})")
    for (collection, direction), names in claims.items():
        recorded = [one for one in sides.unsynced if (one["collection"], one["direction"]) == (collection, direction)]
        if len(recorded) < len(names):
            keys = sorted(one["key"] for one in recorded)
            yield (
                f"{len(names)} documents of {collection} did not cross {direction}, {len(recorded)} are recorded:"
                f" {names}; {keys}"
            )
        yield from (f"unsynced {one['key']}: without a reason" for one in recorded if not one["reason"])


def _crossed(mongo: Document, store: Document) -> bool:
    try:
        return alike(_without_id(as_device_has_it(mongo)), _without_id(store))
    except ValueError:
        return False


def text_of(identity: Any) -> str:
    """Return one text for each identity of either side: true is not 1, and names of objects are sorted."""
    if isinstance(identity, Mapping):
        return "{" + ", ".join(f"{name!r}: {text_of(identity[name])}" for name in sorted(identity)) + "}"
    if isinstance(identity, Int64):
        identity = int(identity)
    if isinstance(identity, bytes):
        return f"bytes {bytes(identity).hex()}"
    return f"{type(identity).__name__} {identity!r}"
