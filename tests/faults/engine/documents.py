"""Edits of documents: read, changed here, and written past the validator; earlier contents are kept for the undo."""

from __future__ import annotations

import copy
import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import bson
from bson import Decimal128, Int64
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.faults.engine.values import at, made, put, take

Document = dict[str, Any]
#: The position, in the order of _id, of the document that is edited unless the edit gives another.
NTH: Final = 3
#: Private-use characters that stand for bytes that no driver writes: invalid UTF-8 of the same length.
_STAND_IN: Final = "\uf8ff\uf8ff"
_HALVES: Final = b"\xed\xa0\xbd\xed\xa0\xbd"
#: A key of the same length as the key that it becomes, because a dict cannot hold a key twice.
_SECOND: Final = ("dele\uf8fe", b"deleted")


class Touched:
    """The documents that edits changed: ``before`` and ``after`` by collection; those of ``others`` are left alone."""

    def __init__(self, database: Database[Document], others: Sequence[Touched] = ()) -> None:
        self._database = database
        self._others = tuple(others)
        self.before: dict[str, list[Document]] = {}
        self.after: dict[str, list[Document]] = {}

    def replace(self, name: str, old: list[Document], new: list[Document]) -> None:
        """Replace ``old`` by ``new``, past the validator."""
        if old:
            self._database[name].delete_many({"_id": {"$in": [one["_id"] for one in old]}})
        known = [one["_id"] for one in self.after.get(name, ())]
        self.before.setdefault(name, []).extend(one for one in old if one["_id"] not in known)
        gone = [one["_id"] for one in old]
        self.after[name] = [one for one in self.after.get(name, ()) if one["_id"] not in gone] + new
        insert(self._database, name, new)

    def elsewhere(self, name: str) -> list[Any]:
        """Return the ids of a collection's documents that the edits of others changed, inserted or deleted."""
        changed = (one.before.get(name, []) + one.after.get(name, []) for one in self._others)
        return [document["_id"] for documents in changed for document in documents]

    def undo(self) -> None:
        """Restore every document."""
        for name, new in self.after.items():
            if new:
                self._database[name].delete_many({"_id": {"$in": [one["_id"] for one in new]}})
            insert(self._database, name, self.before.get(name, []))


def insert(database: Database[Document], name: str, documents: list[Document]) -> None:
    """Insert documents that the validator would reject; a thousand at a time."""
    for start in range(0, len(documents), 1000):
        part = documents[start : start + 1000]
        database[name].insert_many([_broken(one) for one in part], bypass_document_validation=True)


def _broken(document: Document) -> Any:
    """Return the document with placeholders replaced by halves of surrogate pairs, and by a duplicate key."""
    written = bson.encode(document)
    other = written.replace(_STAND_IN.encode(), _HALVES).replace(_SECOND[0].encode(), _SECOND[1])
    return document if other == written else RawBSONDocument(other)


def chosen(
    database: Database[Document], edit: Mapping[str, Any], named: Mapping[str, Document], touched: Touched
) -> list[Document]:
    """Return the documents of an edit. AssertionError if there is none: the edit would change nothing."""
    where, name = made(edit.get("where", {}), named), edit["in"]
    elsewhere = touched.elsewhere(name)
    where = {"$and": [where, {"_id": {"$nin": elsewhere}}]} if elsewhere else where
    nth, number = edit.get("nth", 0 if "where" in edit else NTH), edit.get("take", 1)
    if number == "all":
        found = list(database[name].find(where).sort("_id", 1))
    else:
        cursor = database[name].find(where).sort("_id", 1 if nth >= 0 else -1)
        found = list(cursor.skip(nth if nth >= 0 else -nth - 1).limit(number))
    assert found, f"no document of {name} is like {where}"
    return found


def edit_documents(
    database: Database[Document], touched: Touched, edit: Mapping[str, Any], named: dict[str, Document]
) -> None:
    """Apply one edit; its first document, in its old state, gets the edit's name."""
    old = chosen(database, edit, named, touched)
    named[edit.get("as", "it")] = copy.deepcopy(old[0])
    if "delete" in edit:
        touched.replace(edit["in"], old, [])
    elif "derive" in edit:
        fields = {path: made(value, named) for path, value in edit["derive"].items()}
        pipeline = [{"$match": {"_id": {"$in": [one["_id"] for one in old]}}}, {"$set": fields}]
        touched.replace(edit["in"], [], list(database[edit["in"]].aggregate(pipeline)))
    elif "insert" in edit:
        new = [_changed(one, {"set": edit["insert"]}, named) for one in old]
        touched.replace(edit["in"], [], new)
    else:
        touched.replace(edit["in"], old, [_changed(one, edit, named) for one in old])


def _changed(document: Document, edit: Mapping[str, Any], named: Mapping[str, Document]) -> Document:
    new = copy.deepcopy(document)
    for verb, change in _VERBS.items():
        if verb in edit:
            change(new, made(edit[verb], named))
    assert bson.encode(new) != bson.encode(document), f"the edit changes nothing: {edit}"
    return new


def _set(document: Document, values: Mapping[str, Any]) -> None:
    for path, value in values.items():
        put(document, path, copy.deepcopy(value))


def _unset(document: Document, paths: list[str]) -> None:
    for path in paths:
        take(document, path)


def _rename(document: Document, names: Mapping[str, str]) -> None:
    for old, new in names.items():
        put(document, new, take(document, old))


def _add(document: Document, amounts: Mapping[str, float]) -> None:
    for path, amount in amounts.items():
        value = at(document, path)
        put(document, path, round(value + amount, 2) if isinstance(value, float) else value + amount)


def _cast(document: Document, types: Mapping[str, str]) -> None:
    for path, name in types.items():
        if not path:  # the document itself
            new = _CASTS[name](document)
            document.clear()
            document.update(new)
            continue
        put(document, path, _CASTS[name](at(document, path)))


def _key(document: Document, values: Mapping[str, Any]) -> None:
    document.update(values)


_VERBS: Final[Mapping[str, Callable[[Document, Any], None]]] = {
    "set": _set,
    "unset": _unset,
    "rename": _rename,
    "add": _add,
    "cast": _cast,
    "key": _key,
}
_CASTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "double": float,
    "decimal": lambda value: Decimal128(str(value)),
    "string": lambda value: str(value).lower() if isinstance(value, bool) else str(value),
    "date": lambda value: dt.datetime.fromisoformat(value),
    "list": lambda value: list(value.values()) if isinstance(value, Mapping) else [value],
    "uuid1": lambda value: str(uuid.UUID(value[:14] + "1" + value[15:])),
    "upper": str.upper,
    "surrogate": lambda value: value[:-1] + _STAND_IN,
    "zero-width": lambda value: value + "\u200b",
    "twice": lambda value: {**value, _SECOND[0]: False},
    "newline": lambda value: value + "\n",
    "another": lambda value: value + "9",
    "long-int": Int64,
    "sorted": lambda value: dict(sorted(value.items())),
    "long": lambda value: value + "9" * 300,
    "shifted": lambda value: dict(zip(value, [*list(value.values())[6:], *list(value.values())[:6]], strict=True)),
}
