"""Changes of a document, field by field, as a DQL statement and as a MongoDB update.

A path is a tuple of field names from the document's root. Objects are compared key by key, so that an edit of one key
travels alone and merges with a concurrent edit of another; arrays and scalars are compared whole. `_id` never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from bson import Int64

from edge.store.statements import identifier
from edge.values import Unsyncable

Document = dict[str, Any]
Path = tuple[str, ...]


class Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "MISSING"


_NUMBERS: Final = frozenset({int, Int64, float})
#: Stands for "there is no such field", which null is not.
MISSING: Final = Missing()


@dataclass(frozen=True)
class Delta:
    """Fields to set and fields to remove."""

    set: Mapping[Path, Any]
    unset: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.set or self.unset)

    def items(self) -> Iterator[tuple[Path, Any]]:
        """Every path with its new value; MISSING for a field that goes."""
        yield from self.set.items()
        yield from ((path, MISSING) for path in self.unset)

    @classmethod
    def of(cls, changes: Mapping[Path, Any]) -> Delta:
        """Return the delta of new values by path, MISSING where the field goes."""
        kept = {path: value for path, value in changes.items() if value is not MISSING}
        return cls(kept, tuple(path for path, value in changes.items() if value is MISSING))


def same(left: Any, right: Any) -> bool:
    """Equal in value and type, all the way down: 1 is neither 1.0 nor true. Integers are alike whatever their width."""
    if type(left) is not type(right):
        return {type(left), type(right)} == {int, Int64} and bool(left == right)
    if type(left) is dict:
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    if type(left) is list:
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def equivalent(left: Any, right: Any) -> bool:
    """Return whether the values are equal, numbers by their value: 25 and 25.0 mean the same, 1 and true do not.

    A device or a driver that writes a document back may change the types of its numbers. That is not an edit.
    """
    if type(left) is dict and type(right) is dict:
        return left.keys() == right.keys() and all(equivalent(value, right[name]) for name, value in left.items())
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(map(equivalent, left, right))
    if type(left) in _NUMBERS and type(right) in _NUMBERS:
        return bool(left == right)
    return same(left, right)


def diff(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    maps: bool = True,
    prefix: Path = (),
    whole: Callable[[Any], bool] = lambda _: False,
) -> Delta:
    """Return what makes ``new`` of ``old``, which stand at ``prefix`` of their documents.

    ``maps`` False takes objects whole, as Ditto's strict mode does; ``whole`` tells which objects are taken whole
    nevertheless, because they stand for one value (see ejson).
    """
    return Delta.of(dict(_changes(old, new, prefix, lambda value: maps and type(value) is dict and not whole(value))))


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: Path, has_parts: Callable[[Any], bool]
) -> Iterator[tuple[Path, Any]]:
    for name, value in new.items():
        before = old.get(name, MISSING)
        path = (*prefix, name)
        if path == ("_id",):
            continue
        if has_parts(before) and has_parts(value):
            yield from _changes(before, value, path, has_parts)
        elif not same(before, value):
            yield path, value
    for name in old:
        if name not in new and (prefix or name != "_id"):
            yield (*prefix, name), MISSING


def value_at(document: Mapping[str, Any] | None, path: Path) -> Any:
    """Return the value at a path; MISSING where there is none."""
    value: Any = document
    for name in path:
        if type(value) is not dict or name not in value:
            return MISSING
        value = value[name]
    return value


def patched(document: Mapping[str, Any], delta: Delta) -> Document:
    """Return a copy with the delta applied; a value in the way of a nested field is replaced."""
    made = dict(document)
    for path, value in delta.items():
        inner = made
        for name in path[:-1]:
            child = inner.get(name)
            if type(child) is not dict and value is MISSING:
                break
            inner[name] = dict(child) if type(child) is dict else {}
            inner = inner[name]
        else:
            if value is MISSING:
                inner.pop(path[-1], None)
            else:
                inner[path[-1]] = value
    return made


def as_dql(collection: str, key: Any, delta: Delta) -> tuple[str, Document]:
    """Return Ditto's UPDATE for the change, with arguments; it has no effect on a deleted document."""
    arguments: Document = {"id": key}
    clauses = []
    if delta.set:
        terms = []
        for number, (path, value) in enumerate(delta.set.items()):
            arguments[f"v{number}"] = value
            terms.append(f"{_dql_path(path)} = :v{number}")
        clauses.append("SET " + ", ".join(terms))
    if delta.unset:
        clauses.append("UNSET " + ", ".join(map(_dql_path, delta.unset)))
    return f"UPDATE {identifier(collection)} {' '.join(clauses)} WHERE _id = :id", arguments


def _dql_path(path: Path) -> str:
    return ".".join(map(identifier, path))


def as_mongo(delta: Delta) -> Document:
    """Return the MongoDB update; Unsyncable when a name cannot stand in one."""
    update: Document = {}
    for path, value in delta.items():
        if any("." in name or name.startswith("$") or not name for name in path):
            raise Unsyncable(".".join(path), "MongoDB cannot update a field of that name (empty, a dot, a leading $)")
        operator, operand = ("$unset", "") if value is MISSING else ("$set", value)
        update.setdefault(operator, {})[".".join(path)] = operand
    return update


def described(base: Mapping[str, Any], description: Mapping[str, Any]) -> Document | None:
    """Return the document after a change stream's updateDescription; None when the description alone does not tell.

    It does not where an array was cut, where a path runs through what is not there, or where a name holds a dot.
    """
    if description.get("truncatedArrays") or any("." in name for name in base):
        return None
    made = dict(base)
    changes = [(path, value) for path, value in description.get("updatedFields", {}).items()]
    changes += [(path, MISSING) for path in description.get("removedFields", ())]
    for dotted, value in changes:
        if not _place(made, dotted.split("."), value):
            return None
    return made


def _place(document: Document, path: list[str], value: Any) -> bool:
    """Put the value at the path, copying what is on the way; False when the way is not clear."""
    inner: Any = document
    for name, following in pairwise(path):
        child = inner[int(name)] if type(inner) is list else inner.get(name)
        if type(child) is dict:
            child = dict(child)
        elif type(child) is list and following.isdigit() and int(following) < len(child):
            child = list(child)
        else:
            return False
        inner[int(name) if type(inner) is list else name] = child
        inner = child
    if type(inner) is list:
        if value is MISSING:
            return False
        inner[int(path[-1])] = value
    elif value is MISSING:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value
    return True
