"""Garbage collection is less frequent during a run of rules, and as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from zava.testing import garbage


class Config:
    """The one method of pytest's configuration that is called."""

    def __init__(self) -> None:
        self.cleanups: list[Callable[[], Any]] = []

    def add_cleanup(self, cleanup: Callable[[], Any]) -> None:
        self.cleanups.append(cleanup)


def test_garbage_collection_is_less_frequent_until_the_run_ends() -> None:
    config, before, frozen = Config(), gc.get_threshold(), gc.get_freeze_count()
    garbage.collect_less_often(config)
    garbage.exempt_existing_objects()
    try:
        assert gc.get_threshold() > before
        assert gc.get_freeze_count() > frozen
    finally:
        for cleanup in config.cleanups:
            cleanup()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
