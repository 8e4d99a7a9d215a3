"""Turns: the parts of the bridge touch documents one at a time, and wait while MongoDB is out of reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event, RLock
from typing import Final, TypeVar

from pymongo.errors import PyMongoError

from edge.bridge.mongo_side.backoff import link_delays
from edge.bridge.mongo_side.change_stream import passes

T = TypeVar("T")

#: Seconds after each turn, in which whoever waits for one gets it.
_BREATH: Final = 0.0005


class Stopped(Exception):  # noqa: N818 - no error
    """The bridge was told to stop."""


class Turns:
    """``lock`` is held during a turn, and may be held for a look; ``stop`` ends all waiting.

    Each turn happens within a ``guard``, which may forbid it.
    """

    def __init__(self, stop: Event, jitter: float, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self.lock = RLock()
        self._guard = guard
        self._stop = stop
        self._jitter = jitter

    def do(self, action: Callable[[], T]) -> T:
        """Do it in a turn of its own, and again while MongoDB is out of reach.

        The action must not have changed anything when it raises for that reason. Raises Stopped.
        """
        for delay in link_delays(self._jitter):
            if self._stop.is_set():
                raise Stopped
            try:
                with self.lock, self._guard():
                    return action()
            except PyMongoError as error:
                if not passes(error):
                    raise
                self._stop.wait(delay)
            finally:
                time.sleep(_BREATH)
        raise AssertionError
