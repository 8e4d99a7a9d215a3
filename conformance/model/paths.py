"""Paths: where values are in a document, through objects, arrays and maps whose keys are data.

``address.city_id`` is one value. ``items[].product_id`` is a value of each element of an array, and
``accounts.*.number`` one of each value of a map. Every reading of a model names places so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

#: Steps of a path that are no name: each element of an array, each value of a map.
ELEMENTS: Final = "[]"
VALUES: Final = "*"

_STEP: Final = re.compile(r"\[\]|[^.\[]+")


def steps(path: str) -> list[str]:
    """Return the steps of a path: ``items[].product_id`` has ``items``, ``[]`` and ``product_id``."""
    return _STEP.findall(path)


def is_single(path: str) -> bool:
    """Return True if a document has at most one value at the path."""
    return not {ELEMENTS, VALUES} & set(steps(path))


def dotted(path: str) -> str | None:
    """Return the path as queries and indexes name it; None where they do not look.

    They look into arrays by themselves, but not into arrays of arrays, nor into maps with free keys.
    """
    if VALUES in steps(path) or ELEMENTS * 2 in path:
        return None
    return path.replace(ELEMENTS, "")


def shown(parts: Iterable[str | int]) -> str:
    """Return one place in a document, such as ``items[3].product_id``."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def values_at(document: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each value at a path with its place; a value that the path does not fit is passed over."""
    return ((shown(place), value) for place, value in _values(document, steps(path), ()))


def _values(value: Any, path: list[str], place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if not path:
        yield place, value
        return
    step, rest = path[0], path[1:]
    inner: Iterable[tuple[str | int, Any]] = ()
    if step == ELEMENTS:
        inner = enumerate(value) if isinstance(value, list) else ()
    elif isinstance(value, Mapping):
        inner = value.items() if step == VALUES else [(step, value[step])] if step in value else ()
    for part, each in inner:
        yield from _values(each, rest, (*place, part))


def all_values(path: str) -> Any:
    """Return MongoDB's expression for a list of the values at a path of several; null is left out."""
    first, *others = steps(path)
    names, found = f"${first}", None
    for step in others:
        if step in (ELEMENTS, VALUES):
            found = _spread(names, step) if found is None else _spread_each(found, step)
        elif found is None:
            names += f".{step}"
        else:
            found = {"$map": {"input": found, "in": f"$$this.{step}"}}
    return {"$filter": {"input": [names] if found is None else found, "cond": {"$ne": ["$$this", None]}}}


def _spread(value: str, step: str) -> Any:
    """Return the list of what an array or a map holds; of anything else an empty one."""
    if step == ELEMENTS:
        return {"$cond": [{"$isArray": value}, value, []]}
    pairs = {"$objectToArray": {"$cond": [{"$eq": [{"$type": value}, "object"]}, value, {}]}}
    return {"$map": {"input": pairs, "as": "pair", "in": "$$pair.v"}}


def _spread_each(values: Any, step: str) -> Any:
    joined = {"$concatArrays": ["$$value", _spread("$$this", step)]}
    return {"$reduce": {"input": values, "initialValue": [], "in": joined}}
