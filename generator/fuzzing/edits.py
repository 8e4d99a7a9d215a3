"""Edits of a valid document as functions that make the broken value, each a new object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Document = dict[str, Any]


def constant(value: Any) -> Callable[[], Any]:
    """Make the value itself."""
    return lambda: value


def with_field(old: Document, name: str, make: Callable[[], Any]) -> Callable[[], Document]:
    """Make the document with a field set."""
    return lambda: {**old, name: make()}


def without_field(old: Document, name: str) -> Callable[[], Document]:
    """Make the document without a field."""
    return lambda: {key: value for key, value in old.items() if key != name}


def replaced(old: list[Any], position: int, make: Callable[[], Any]) -> Callable[[], list[Any]]:
    """Make the array with the value at a position exchanged."""
    return lambda: [*old[:position], make(), *old[position + 1 :]]
