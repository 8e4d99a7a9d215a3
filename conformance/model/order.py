"""The order of a model's collections: parents before the children that refer to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.model.collection import Collection


def parents_first(collections: Mapping[str, Collection]) -> dict[str, Collection]:
    """Order by reference, alphabetical among equals; a reference to nowhere is left to the checks.

    Collections that refer to each other in a circle follow alphabetically; a reference to the own collection sets no
    order.
    """
    ordered: dict[str, Collection] = {}
    waiting = dict(sorted(collections.items()))
    while waiting:
        ready = [name for name, collection in waiting.items() if not _targets(collection) & waiting.keys()]
        for name in ready or [_in_circle(waiting)]:
            ordered[name] = waiting.pop(name)
    return ordered


def _targets(collection: Collection) -> set[str]:
    return {reference.target for reference in collection.every_reference} - {collection.name}


def _in_circle(waiting: Mapping[str, Collection]) -> str:
    """Return the first collection of a circle, alphabetically."""
    path = [next(iter(waiting))]
    while True:
        following = min(_targets(waiting[path[-1]]) & waiting.keys())
        if following in path:
            return min(path[path.index(following) :])
        path.append(following)
