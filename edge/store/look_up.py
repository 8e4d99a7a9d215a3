"""Documents of the store by their ids: no id is overlooked, and nothing is read that would end the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from edge.document_keys import key_of
from edge.store.id_types import alike
from edge.store.statements import identifier
from edge.store.store import Store

Document = dict[str, Any]

#: Documents looked up at once: Ditto compares each with the whole list.
_LOOK_UP: Final = 100


class _Unreadable(Document):
    """The type of UNREADABLE, which no document has."""


#: Stands for a document that is there and that the engine cannot read (edge.store.commits); it equals no document.
UNREADABLE: Final[Document] = _Unreadable()


def look_up(store: Store, collection: str, ids: Sequence[Any]) -> dict[str, Document]:
    """Return the store's documents of these _ids, by key; those that are not there are left out.

    What is not found among others is looked up alone, before it counts as missing.
    """
    if not ids:
        return {}
    unreadable = store.commits.unreadable(collection)
    hidden = [each for each in ids if key_of(each) in unreadable] if unreadable else []
    found = {key: UNREADABLE for each in hidden for key in _read(store, collection, "_id", [each])}
    wanted = [each for each in ids if key_of(each) not in unreadable] if unreadable else ids
    for some in alike(wanted, _LOOK_UP):
        found |= _read(store, collection, "*", some)
    for each in [each for each in wanted if key_of(each) not in found]:
        found |= _read(store, collection, "*", [each])
    return found


def _read(store: Store, collection: str, what: str, ids: Sequence[Any]) -> dict[str, Document]:
    # USE IDS takes one _id, and finds what a condition does not: an _id that holds null.
    condition = "WHERE _id IN :ids" if len(ids) > 1 else "USE IDS (:ids)"
    dql = f"SELECT {what} FROM {identifier(collection)} {condition}"  # noqa: S608 - quoted
    rows = store.execute(dql, {"ids": list(ids) if len(ids) > 1 else ids[0]})
    return {key_of(row["_id"]): row for row in rows}


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Return the items in runs of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))
