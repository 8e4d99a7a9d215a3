"""Hooks for the events of the bridge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Hooks:
    """Callbacks of the bridge: notices, copied documents, expected sizes, and the current phase."""

    notice: Callable[[str], None] = lambda _: None
    progress: Callable[[str, int], None] = lambda _, __: None
    expect: Callable[[Mapping[str, int]], None] = lambda _: None
    phase: Callable[[str], None] = lambda _: None
