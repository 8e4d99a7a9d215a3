"""A query that is watched: its rows, at once and whenever they change."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

Document = dict[str, Any]


class Observer:
    """A running observation, until ``cancel`` or the store's end.

    ``ended`` once it is. ``failure`` is what its callback raised, which ends it; nothing else tells of it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[list[Document]], None]) -> None:
        self.failure: Exception | None = None
        self._loop = loop
        self._callback = callback
        self._native: Any = None
        self.ended = False
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._taken: asyncio.Event | None = None
        # A daemon: a callback that never returns must not keep the process.
        threading.Thread(target=self._call_back, name="ditto-observer", daemon=True).start()

    def cancel(self) -> None:
        """End the observation: no callback begins any more. One under way is not waited for; safe to call again."""
        if self.ended:
            return
        self.ended = True
        self._results.put(None)
        self._take_next()
        if self._native is not None:
            self._native.cancel()
            self._native.close()

    async def register(self, peer: Any, dql: str, arguments: Mapping[str, Any] | None) -> None:
        """Begin, on the SDK's loop."""
        self._native = peer.store.register_observer(dql, arguments, self._deliver)

    async def _deliver(self, result: Any) -> None:
        """Hand a result to the callback's thread; the SDK waits until it is taken, then sends what changed since."""
        self._taken = asyncio.Event()
        self._results.put(result)
        if not self.ended:
            await self._taken.wait()

    def _call_back(self) -> None:
        while (result := self._results.get()) is not None:
            try:
                with result:
                    rows = [] if self.ended else [item.value for item in result]
                if not self.ended:
                    self._callback(rows)
            except Exception as error:
                self.failure = error
                self.cancel()
            self._take_next()

    def _take_next(self) -> None:
        if self._taken is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._taken.set)
