"""Faults of a bridge that is wrong on purpose: the comparison must report each, or the torture could not fail.

They are made where the bridge meets other parts (the store, the driver, signals), so that they remain faults however
the bridge is rewritten.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any

from pymongo.collection import Collection
from pymongo.operations import DeleteOne, UpdateOne

from edge.store.store import Store

_SHARE = 10


def _each(number: int) -> Callable[[], bool]:
    """Return a function that is true once in so many calls."""
    calls = 0

    def due() -> bool:
        nonlocal calls
        calls += 1
        return calls % number == 0

    return due


def loses_changes_of_mongodb() -> None:
    """One update in ten does not reach the store."""
    due = _each(_SHARE)

    def forgetful(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrong(self: Store, statements: Sequence[tuple[str, Any]], **options: Any) -> Any:
            kept = [one for one in statements if not one[0].startswith("UPDATE") or "__bridge" in one[0] or not due()]
            return write(self, kept, **options)

        return wrong

    for name in ("write", "commit"):
        setattr(Store, name, forgetful(getattr(Store, name)))


def loses_changes_of_devices() -> None:
    """One update in ten does not reach MongoDB."""
    _of_updates(lambda operation, due: [] if due() else [operation])


def deletes_instead() -> None:
    """One update in twenty deletes the document in MongoDB."""
    _of_updates(lambda operation, due: [DeleteOne(operation._filter)] if due() else [operation], 20)


def reverts() -> None:
    """One update in ten is followed by the first one of its document."""
    first: dict[str, UpdateOne] = {}

    def again(operation: UpdateOne, due: Callable[[], bool]) -> list[Any]:
        old = first.setdefault(repr(operation._filter), operation)
        return [operation, old] if due() else [operation]

    _of_updates(again)


def does_not_end() -> None:
    """SIGTERM is ignored."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal = lambda *_: signal.SIG_DFL  # type: ignore[assignment]


def _of_updates(change: Callable[[UpdateOne, Callable[[], bool]], list[Any]], share: int = _SHARE) -> None:
    bulk_write, due = Collection.bulk_write, _each(share)

    def wrong(self: Collection[Any], requests: Sequence[Any], *arguments: Any, **options: Any) -> Any:
        made: list[Any] = []
        for one in requests:
            made += change(one, due) if isinstance(one, UpdateOne) else [one]
        return bulk_write(self, made, *arguments, **options) if made else None

    Collection.bulk_write = wrong  # type: ignore[method-assign,assignment]
