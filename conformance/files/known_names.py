"""The names that a place in a configuration file may have, from the types that the file is parsed as."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


def keys_at(kind: Any, place: Sequence[str | int]) -> list[str]:
    """Return the keys that an object at the place (keys and positions from the top) may have, of all its forms."""
    found: dict[str, None] = {}
    for each in _at([kind], place):
        if _is_model(each):
            found |= dict.fromkeys(field.alias or name for name, field in each.model_fields.items())
    return list(found)


def values_at(kind: Any, place: Sequence[str | int]) -> list[str]:
    """Return the texts that the place may hold; none where its values are not from a closed set."""
    return [str(value) for each in _at([kind], place) if get_origin(each) is Literal for value in get_args(each)]


def _at(kinds: list[Any], place: Sequence[str | int]) -> list[Any]:
    for part in place:
        inner = [each for kind in _plain(kinds) for each in _step(kind, part)]
        kinds = inner or kinds  # pydantic's places also name the form of a union that was tried
    return list(_plain(kinds))


def _step(kind: Any, part: str | int) -> Iterator[Any]:
    if _is_model(kind):
        yield from (
            field.annotation for name, field in kind.model_fields.items() if part in (name, field.alias or name)
        )
        return
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        yield arguments[1]
    elif isinstance(part, int) and origin in (tuple, list, Sequence):
        yield arguments[0]


def _plain(kinds: list[Any]) -> Iterator[Any]:
    """Yield the kinds without annotations, each form of a union for itself."""
    for kind in kinds:
        if get_origin(kind) is Annotated:
            yield from _plain([get_args(kind)[0]])
        elif get_origin(kind) in (Union, types.UnionType):
            yield from _plain(list(get_args(kind)))
        else:
            yield kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
