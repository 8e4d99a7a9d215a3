"""Hooks for the events of the bridge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

#: The notice when both sides hold the same for the first time.
FOLLOWING: Final = "in sync; following changes on both sides"


@dataclass(frozen=True)
class Hooks:
    """Callbacks of the bridge: notices, copied documents, expected sizes, and the current phase."""

    notice: Callable[[str], None] = lambda _: None
    progress: Callable[[str, int], None] = lambda _, __: None
    expect: Callable[[Mapping[str, int]], None] = lambda _: None
    phase: Callable[[str], None] = lambda _: None
