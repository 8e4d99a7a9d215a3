"""Identity of a store and its last batch, in a document of the store itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

from conformance.errors import ConfigurationError
from edge.bridge.state.state import State
from edge.store.statements import identifier
from edge.store.store import Store

#: The bridge's own collection in the store, which no device subscribes to.
OWN: Final = "__bridge"
_ID: Final = "state"


def arrival(batch: int) -> tuple[str, dict[str, Any]]:
    """Return the statement that says in the store that the batch has arrived."""
    return f"UPDATE {identifier(OWN)} SET batch = :batch WHERE _id = :id", {"id": _ID, "batch": batch}  # noqa: S608


def arrived(store: Store) -> int:
    """Return the last batch that has arrived in the store; 0 before the first."""
    return int(_found(store).get("batch", 0))


def belong_together(state: State, store: Store) -> bool:
    """Return whether the state is about this store."""
    return state.get("store") is not None and state.get("store") == _found(store).get("of")


def pair(state: State, store: Store, source: str, notice: Callable[[str], None]) -> None:
    """Make sure that state and store belong together, and to ``source``, the database in words.

    A store that is not the one the state knows (it was emptied, say) is filled anew, and the other way round: the
    ledger starts empty. Raises ConfigurationError when the state is about another database.
    """
    known = state.get("source")
    if known is not None and known != source:
        raise ConfigurationError(
            f"{state.directory} belongs to {known}, not to {source}; use another directory with --state and one with"
            " --store"
        )
    theirs, ours = _found(store).get("of"), state.get("store")
    if theirs is not None and theirs == ours:
        return
    if theirs != ours:
        notice("store and state do not belong together (one was emptied or replaced): comparing all documents")
    name = uuid.uuid4().hex
    with state.transaction():
        state.forget()
    store.insert(OWN, [{"_id": _ID, "of": name, "batch": 0}], "do update")
    with state.transaction():
        state.put("store", name)
        state.put("source", source)


def _found(store: Store) -> dict[str, Any]:
    rows = store.execute(f"SELECT * FROM {identifier(OWN)} WHERE _id = :id", {"id": _ID})  # noqa: S608 - quoted
    return rows[0] if rows else {}
