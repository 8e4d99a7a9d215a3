"""The thread on which the SDK runs. The other threads of the process hand it their work and wait for the result."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final, TypeVar

from conformance.errors import TargetError
from conformance.text.rendering import shorten
from edge.store import sdk
from edge.store.statements import StatementError

#: Seconds that closing may take: what runs is cancelled first, so a tenth of one is usual.
PATIENCE: Final = 10.0
#: Seconds that one call of the SDK may take. A thousand inserted documents take less than one on a slow disk; but a
#: call was seen that never returned.
LONGEST: Final = 300.0

T = TypeVar("T")


class SdkThread:
    """A thread with the SDK's event loop, for the store in one directory. Any thread may use it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(_Abandonable())
        self._thread = Thread(target=_serve, args=(self.loop,), name="ditto", daemon=True)
        self._process = os.getpid()
        self._closed = False
        self._running = 0
        self._lock = Lock()
        self._thread.start()

    def open(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of the work that opens the store. If it fails, the thread ends, and the error is raised."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop).result()
        except BaseException:
            self.loop.call_soon_threadsafe(self.loop.stop)
            raise

    def run(self, work: Coroutine[Any, Any, T], dql: str) -> T:
        """Return the result of the work of a statement.

        Raises StatementError if the engine rejects the statement. Raises TargetError, one line, when the store is
        closed, when its disk fails, or when the SDK does not answer within LONGEST seconds.
        """
        ditto = sdk.load()
        try:
            running = self._schedule(work)
        except TargetError:
            work.close()
            raise
        try:
            result = running.result(LONGEST)
        except TimeoutError:  # not cancelled here: `close` cancels what runs
            raise TargetError(
                f"{self._directory}: Ditto did not answer within {LONGEST:g} seconds ({shorten(dql, 100)}); end the"
                " process and start again; committed data is kept"
            ) from None
        except (ditto.DittoStoreBackendError, ditto.DittoIOError) as error:
            raise TargetError(
                f"{self._directory}: the store fails ({sdk.reason_of(error)}); free space or check the disk, and start"
                " again; committed data is kept"
            ) from None
        except ditto.DittoClosedError:
            raise self._gone() from None
        except (ditto.DittoError, TypeError, ValueError) as error:
            raise StatementError(f"Ditto rejects {shorten(dql, 100)}", sdk.reason_of(error)) from None
        if self._closed:
            raise self._gone()
        return result

    def begin_closing(self) -> bool:
        """Take no more work; return False if that was so already, or if the process is a fork."""
        with self._lock:
            if self._closed or os.getpid() != self._process:
                return False
            self._closed = True
        return True

    def close(self, peer: Any) -> None:
        """Cancel what runs, close the peer, and end the thread.

        Raises TargetError when the SDK does not let go within PATIENCE seconds.
        """
        try:
            asyncio.run_coroutine_threadsafe(self._shut(peer), self.loop).result(PATIENCE)
        except TimeoutError:
            sdk.abandon()
            raise TargetError(
                f"{self._directory}: the store did not close within {PATIENCE:g} seconds; end the process: what was"
                " committed is kept"
            ) from None
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)

    async def _shut(self, peer: Any) -> None:
        while self._running:
            # Ditto's way to cancel. It misses some, so it is repeated; what is cancelled ends without rows and without
            # an error, so `run` tells it by _closed.
            with suppress(sdk.load().DittoError):
                (await peer.store.execute("DELETE FROM system:active_requests")).close()
            await asyncio.sleep(0.01)
        await peer.close()

    def _schedule(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if os.getpid() != self._process:
            raise TargetError(
                f"{self._directory}: the store was opened before a fork, which Ditto does not survive; start processes"
                " with spawn"
            )
        with self._lock:  # so that nothing is scheduled once closing is
            if self._closed:
                raise self._gone()
            return asyncio.run_coroutine_threadsafe(self._counted(work), self.loop)

    async def _counted(self, work: Coroutine[Any, Any, T]) -> T:
        self._running += 1
        try:
            return await work
        finally:
            self._running -= 1

    def _gone(self) -> TargetError:
        return TargetError(f"{self._directory}: the store is closed; open it again")


class _Abandonable(ThreadPoolExecutor):
    """Run each call on a daemon thread: the process ends although a call of the SDK does not."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start the call."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # as a pool does: a cancelled waiter must not make the call fail

        def call() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        Thread(target=call, name="ditto-call", daemon=True).start()
        return future


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped, then cancel the tasks that are left."""
    asyncio.set_event_loop(loop)
    loop.run_forever()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()
