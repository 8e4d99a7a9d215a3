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
        inner: list[Walked] = []
        if isinstance(one.value, Mapping):
            inner = [Walked(f"{one.path}.{name}", name, one.depth + 1, each) for name, each in one.value.items()]
        elif isinstance(one.value, list):
            places = enumerate(one.value)
            inner = [Walked(f"{one.path}[{n}]", str(n), one.depth + 1, each) for n, each in places]
        stack += reversed(inner)
