"""The order of a model's collections: parents before the children that refer to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from conformance.errors import ConfigurationError

if TYPE_CHECKING:
    from conformance.model.collection import Collection


def parents_first(collections: Mapping[str, Collection]) -> dict[str, Collection]:
    """Order by reference, alphabetical among equals; a reference to nowhere is left to the checks."""
    ordered: dict[str, Collection] = {}
    waiting = dict(collections)
    while waiting:
        ready = [
            name
            for name, collection in waiting.items()
            if not {reference.target for reference in collection.references} & waiting.keys()
        ]
        if not ready:
            circle = _circle(waiting)
            raise ConfigurationError(
                f"{waiting[circle[0]].path}: the references of {', '.join(circle)} form a circle; documents could never"
                " be inserted parents first: remove one x-reference"
            )
        for name in ready:
            ordered[name] = waiting.pop(name)
    return ordered


def _circle(waiting: Mapping[str, Collection]) -> list[str]:
    """Return the collections of one circle, from any of them on, each referring to the next."""
    path = [next(iter(waiting))]
    while True:
        following = next(r.target for r in waiting[path[-1]].references if r.target in waiting)
        if following in path:
            return path[path.index(following) :]
        path.append(following)
