"""Operations of an application on a document, as a change in the model and as a DQL statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from edge.crdt.document import Counter, Document, Field, FieldPath, Map, Register, Tally
from edge.crdt.hybrid_clock import Stamp
from edge.store.statements import OnConflict, identifier

Statement = tuple[str, dict[str, Any]]


class Refused(Exception):  # noqa: N818 - it is the store's answer, not a failure
    """An operation that the store refuses."""


@dataclass(frozen=True)
class Insert:
    """A whole document, without its ``_id``; ``on_conflict`` says what happens when there is one already."""

    values: Mapping[str, Any]
    on_conflict: OnConflict = "fail"


@dataclass(frozen=True)
class Set:
    """A value at a path. An object is a MAP: its values are set one by one and nothing is removed."""

    path: FieldPath
    value: Any


@dataclass(frozen=True)
class Replace:
    """A value of a top-level field as one REGISTER, objects too: what SET is in strict mode."""

    name: str
    value: Any


@dataclass(frozen=True)
class Unset:
    """Takes away what is read at a path; a variant that it shadowed is read again."""

    path: FieldPath


@dataclass(frozen=True)
class Increment:
    """Adds to the COUNTER at a path, which starts at 0, whatever REGISTER it shadows."""

    path: FieldPath
    amount: int


@dataclass(frozen=True)
class Restart:
    """Sets the COUNTER at a path to a value: of concurrent ones the last wins."""

    path: FieldPath
    value: int = 0


@dataclass(frozen=True)
class Delete:
    """Takes away the document, hidden variants included."""


Operation = Insert | Set | Replace | Unset | Increment | Restart | Delete


def change(document: Document, operation: Operation, stamp: Stamp) -> Document:
    """Return the change that an operation at ``stamp`` makes to the document as a device holds it.

    Document() when nothing changes: all but Insert do nothing to a document that is not there.
    Raises Refused for an Insert of a document that is there, when that is to fail.
    """
    if isinstance(operation, Insert):
        return _insert(document, operation, stamp)
    return _CHANGES[type(operation)](document, operation, stamp) if document.alive else Document()


def _insert(document: Document, insert: Insert, stamp: Stamp) -> Document:
    if document.alive and insert.on_conflict == "fail":
        raise Refused("there is a document with this _id")
    if document.alive and insert.on_conflict == "do nothing":
        return Document()
    if document.alive and insert.on_conflict == "do update_local_diff":
        return reduce(Document.merge, _differing(document, (), insert.values, stamp), Document())
    return Document(_map(insert.values, stamp))


def _differing(document: Document, above: FieldPath, values: Mapping[str, Any], stamp: Stamp) -> Iterator[Document]:
    """Yield the writes of the values that differ from those of the REGISTERs, whether these are read or shadowed."""
    for name, value in values.items():
        path = (*above, name)
        register = document.at(path).register
        if isinstance(value, Mapping):
            yield from _differing(document, path, value, stamp)
        elif not register.alive or register.stamp < document.deleted or register.value != value:
            yield _at(path, _field(value, stamp), stamp)


def _set(_: Document, operation: Set, stamp: Stamp) -> Document:
    return _at(operation.path, _field(operation.value, stamp), stamp)


def _replace(_: Document, operation: Replace, stamp: Stamp) -> Document:
    return _at((operation.name,), Field(Register(operation.value, stamp)), stamp)


def _unset(document: Document, operation: Unset, stamp: Stamp) -> Document:
    held = document.at(operation.path)
    gone = held.removed(stamp, held.shown) if held.shown else Field()
    if len(operation.path) > 1:  # taking a field out of a MAP is a write to the MAP, and makes one where there is none
        return _at(operation.path, gone, stamp)
    return Document(Map({operation.path[0]: gone})) if held.shown else Document()


def _increment(document: Document, operation: Increment, stamp: Stamp) -> Document:
    counter = document.at(operation.path).counter
    so_far = counter.tallies.get(stamp.site, Tally()).total
    return _counter(operation.path, counter.epoch, so_far + operation.amount, stamp)


def _restart(_: Document, operation: Restart, stamp: Stamp) -> Document:
    return _counter(operation.path, stamp, operation.value, stamp)


def _delete(document: Document, _: Delete, stamp: Stamp) -> Document:
    return Document(document.root.removed(stamp), stamp)


_CHANGES: Final[Mapping[type[Operation], Callable[[Document, Any, Stamp], Document]]] = {
    Set: _set,
    Replace: _replace,
    Unset: _unset,
    Increment: _increment,
    Restart: _restart,
    Delete: _delete,
}


def _counter(path: FieldPath, epoch: Stamp, total: int, stamp: Stamp) -> Document:
    return _at(path, Field(counter=Counter(epoch, {stamp.site: Tally(total, stamp)})), stamp)


def _field(value: Any, stamp: Stamp) -> Field:
    return Field(map=_map(value, stamp)) if isinstance(value, Mapping) else Field(Register(value, stamp))


def _map(values: Mapping[str, Any], stamp: Stamp) -> Map:
    return Map({name: _field(value, stamp) for name, value in values.items()}, stamp)


def _at(path: FieldPath, field: Field, stamp: Stamp) -> Document:
    for name in reversed(path[1:]):
        field = Field(map=Map({name: field}, stamp))
    return Document(Map({path[0]: field}, stamp))


def statement(operation: Operation, collection: str, _id: str) -> Statement:
    """Return the operation in DQL, with its arguments, for a store that is not in strict mode."""
    name = identifier(collection)
    if isinstance(operation, Insert):
        clause = "" if operation.on_conflict == "fail" else f" ON ID CONFLICT {operation.on_conflict.upper()}"
        return f"INSERT INTO {name} DOCUMENTS (:document){clause}", {"document": {"_id": _id, **operation.values}}
    if isinstance(operation, Delete):
        return " ".join(("DELETE FROM", name, _WHERE)), {"id": _id}
    typed, action, arguments = _action(operation)
    return " ".join(("UPDATE COLLECTION", name, typed, action, _WHERE)), {"id": _id, **arguments}


_WHERE: Final = "WHERE _id = :id"


def _action(operation: Set | Replace | Unset | Increment | Restart) -> tuple[str, str, dict[str, Any]]:
    """Return the types that an UPDATE declares, what it does, and its arguments."""
    match operation:
        case Set(path, value):
            return "", f"SET {_dotted(path)} = :value", {"value": value}
        case Replace(field, value):
            return f"({identifier(field)} REGISTER)", f"SET {identifier(field)} = :value", {"value": value}
        case Unset(path):
            return "", f"UNSET {_dotted(path)}", {}
        case Increment(path, amount):
            return "", f"APPLY {_dotted(path)} INCREMENT BY :amount", {"amount": amount}
        case Restart(path, value):
            return "", f"APPLY {_dotted(path)} RESTART WITH :value", {"value": value}


def _dotted(path: FieldPath) -> str:
    return ".".join(identifier(name) for name in path)
