"""Every value of a document, with its path and depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Walked:
    """One value of a document: its path for people, its own name, and how many names lead to it."""

    path: str
    name: str
    depth: int
    value: Any


def walk(document: Mapping[str, Any]) -> Iterator[Walked]:
    """Every value of a document, containers before what they hold; not recursive in Python."""
    stack = [Walked(name, name, 1, value) for name, value in reversed(list(document.items()))]
    while stack:
        one = stack.pop()
        yield one
        inner: list[tuple[str, Any]] = []
        if isinstance(one.value, Mapping):
            inner = list(one.value.items())
        elif isinstance(one.value, list):
            inner = [(str(position), value) for position, value in enumerate(one.value)]
        stack += [Walked(f"{one.path}.{name}", name, one.depth + 1, value) for name, value in reversed(inner)]
