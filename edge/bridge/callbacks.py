"""Who hears of what the bridge does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Hooks:
    """Who hears of what: lines for people, documents copied, expected sizes, and the phase the bridge is in."""

    notice: Callable[[str], None] = lambda _: None
    progress: Callable[[str, int], None] = lambda _, __: None
    expect: Callable[[Mapping[str, int]], None] = lambda _: None
    phase: Callable[[str], None] = lambda _: None
