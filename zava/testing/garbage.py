"""Python's garbage collection during a run of rules: less often than by default."""

from __future__ import annotations

import gc
from typing import Final

import pytest

#: Python's own thresholds of the three generations.
DEFAULT_THRESHOLDS: Final = (700, 10, 10)
#: With the defaults a run examines objects that live until its end more than a thousand times, which takes a seventh of
#: the main thread's CPU time.
_THRESHOLDS: Final = (20_000, 50, 100)


def collect_less_often(config: pytest.Config) -> None:
    """Raise the thresholds until the run ends."""
    before = gc.get_threshold()

    def as_before() -> None:
        gc.unfreeze()
        gc.set_threshold(*before)

    gc.set_threshold(*_THRESHOLDS)
    config.add_cleanup(as_before)


def exempt_existing_objects() -> None:
    """Exempt the objects that exist now (modules, tests) from garbage collection until the run ends."""
    gc.freeze()
