"""Garbage collection is less frequent during a run of rules, and as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from zava.testing import garbage

DEFAULTS: Final = garbage.DEFAULT_THRESHOLDS


class Config:
    """The one method of pytest's configuration that is called."""

    def __init__(self) -> None:
        self.cleanups: list[Callable[[], Any]] = []

    def add_cleanup(self, cleanup: Callable[[], Any]) -> None:
        self.cleanups.append(cleanup)


@pytest.fixture
def defaults() -> Iterator[None]:
    """Python's own thresholds, and nothing exempt; these tests run with others."""
    own, is_frozen = gc.get_threshold(), gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.set_threshold(*DEFAULTS)
    yield
    gc.set_threshold(*own)
    if is_frozen:
        gc.freeze()


@pytest.mark.usefixtures("defaults")
def test_garbage_collection_is_less_frequent_until_the_run_ends() -> None:
    config = Config()
    garbage.collect_less_often(config)
    garbage.exempt_existing_objects()
    try:
        assert gc.get_threshold() > DEFAULTS
        assert gc.get_freeze_count() > 0
    finally:
        for cleanup in config.cleanups:
            cleanup()
    assert gc.get_threshold() == DEFAULTS
    assert gc.get_freeze_count() == 0
