"""Dotted paths, as MongoDB's queries name fields, followed into a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """Return the value at the path, None where there is none; a list on the way there is given as it is."""
    value: Any = document
    for name in path.split("."):
        if isinstance(value, list):
            return value
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
