"""The bridge: keeps a Ditto store and a MongoDB database in step, both ways, as the connector's configuration says.

It follows the documented rules of Ditto's managed MongoDB connector and is not that connector: its results are the
bridge's. Three things go on side by side, each under one lock while it touches documents: copying, what happens in
MongoDB (Inbound), and what devices write (DeviceChanges). What a run did when it was killed is found in the state:
announced changes are brought to the store, the change stream goes on from its position, and only when it has reached
the present is the store looked through for what devices have written meanwhile.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import Any, Final

from bson import Timestamp
from pymongo import MongoClient
from pymongo.database import Database

from conformance.ditto.connector import ConnectorSettings
from conformance.errors import ConfigurationError
from edge.bridge.callbacks import Hooks
from edge.bridge.device_changes import EXAMINED, PULSE_SECONDS, DeviceChanges
from edge.bridge.held_deletions import Holds
from edge.bridge.inbound import Inbound
from edge.bridge.initial_copy import InitialCopy
from edge.bridge.mongo_side.backoff import copying_pause
from edge.bridge.mongo_side.change_stream import Batch, ChangeStream, as_number, present
from edge.bridge.mongo_side.recent_changes import Recent
from edge.bridge.outbound import Outbound
from edge.bridge.serialized import Stopped, Turns
from edge.bridge.state.state import State, in_words
from edge.bridge.state.store_identity import pair
from edge.bridge.store_side.store_writer import Arrival
from edge.bridge.synced_collection import Synced
from edge.store.open_files import OpenFiles
from edge.store.store import Store

__all__ = ["Bridge", "Hooks"]

Document = dict[str, Any]

#: Events applied together.
_EVENTS: Final = 500


class Bridge:
    """Runs between one database and one store. ``stop`` may be called from any thread.

    ``link`` makes a client of the same server that nobody else uses, for what is carried to MongoDB; ``run`` closes it.
    ``source`` is the database in words, to which the state then belongs. Without ``accept_drop``, what is found missing
    on one side is kept on the other where it is much (``holds``).
    """

    def __init__(
        self,
        database: Database[Document],
        store: Store,
        state: State,
        synced: Mapping[str, Synced],
        settings: ConnectorSettings,
        *,
        link: Callable[[], MongoClient[Document]],
        source: str,
        hooks: Hooks | None = None,
        accept_drop: bool = False,
    ) -> None:
        self._database = database
        self._store = store
        self._state = state
        self._synced = synced
        self._hooks = hooks or Hooks()
        self._stop = Event()
        self._failure: BaseException | None = None
        self._reached = 0
        self.counts: Counter[str] = Counter()
        pair(state, store, source, self._hooks.notice)
        store.commits.recall(state.get(EXAMINED) or {})
        self._empty = not any(state.ledger.live.values()) and not any(map(store.count, synced))
        maps = not settings.strict_mode
        retry = settings.retry_strategy
        recent = Recent()
        self.holds = Holds(self._hooks.notice, accept=accept_drop)
        self._inbound = Inbound(database, store, state, Arrival(store, maps=maps), synced, recent)
        self._outbound = Outbound(
            link,
            database.name,
            store,
            state,
            synced,
            maps=maps,
            recent=recent,
            holds=self.holds,
            retry=retry,
            stop=self._stop,
        )
        self._copy = InitialCopy(database, state, self._inbound, synced, recent, self.holds, settings.batch_size)
        self._per_second = settings.rate_limit_per_second
        self._jitter = retry.jitter
        self._files = OpenFiles([*state.files, store.commits.path])
        self._turns = Turns(self._stop, retry.jitter, self._guard)
        self._changes = DeviceChanges(
            store,
            state,
            synced,
            self._inbound,
            self._outbound,
            self.holds,
            self._hooks,
            self._turns,
            self._stop,
            self.counts,
        )

    def stop(self) -> None:
        """End the run soon, and cleanly."""
        self._stop.set()
        self._changes.wake.set()

    def begin_copy(self, names: Sequence[str] | None = None) -> None:
        """Have collections (all, unless named) copied anew: what is as it should be is passed over.

        Raises ConfigurationError for a name that does not sync.
        """
        odd = next((name for name in names or () if name not in self._synced), None)
        if odd is not None:
            raise ConfigurationError(f"{odd} does not sync; name one of {', '.join(self._synced)}")
        with self._turns.lock, self._state.transaction():
            self._copy.begin(names or self._synced)

    def run(self, *, once: bool = False) -> bool:
        """Copy what is to be copied, and carry changes both ways until ``stop``.

        ``once``: end when both sides are in step; what devices write in a store that was empty waits for the next run.
        Gives False when it was stopped before. Raises TargetError when the store or the state cannot be written,
        PyMongoError for what waiting does not mend. Meanwhile Python's collector of garbage passes over what is in
        memory now (gc.freeze): it would halt everything for some 50 ms each time.
        """
        stream: ChangeStream | None = None
        threads = []
        gc.freeze()
        try:
            self._turns.do(self._outbound.end_what_was_left)
            self._changes.settle(self._turns.do(self._inbound.finish))
            stream = self._turns.do(self._open_stream)
            threads.append(self._start(lambda: self._follow(stream)))
            if once:
                self._finish()
            else:
                threads.append(self._start(self._carry))
                while not self._stop.is_set():
                    self._copy_all()
                    self._stop.wait(PULSE_SECONDS)
        except Stopped:
            pass
        finally:
            stopped = self._stop.is_set()
            self.stop()
            for thread in threads:
                thread.join()
            if stream is not None:
                stream.close()
            self._copy.close()
            self._outbound.close()
            gc.unfreeze()
        if self._failure is not None:
            raise self._failure
        self._changes.remember()
        return not stopped

    @contextmanager
    def _guard(self) -> Iterator[None]:
        self._files.require()
        with in_words(self._state.directory):
            yield

    def _start(self, work: Callable[[], None]) -> Thread:
        def guarded() -> None:
            try:
                work()
            except Stopped:
                pass
            except BaseException as error:
                self._failure = self._failure or error
                self.stop()

        thread = Thread(target=guarded, name="bridge", daemon=True)
        thread.start()
        return thread

    def _until_reached(self) -> None:
        """Wait until what happened in MongoDB up to now has been applied."""
        goal = as_number(self._turns.do(lambda: present(self._database)))
        while self._reached < goal:
            if self._stop.wait(0.005):
                raise Stopped

    def _open_stream(self) -> ChangeStream:
        position = self._state.get("token") or self._state.get("start")
        with self._state.transaction():
            if position is None:
                now = present(self._database)
                position = Timestamp(now.time, now.inc + 1)
                self._state.put("start", position)
            self._copy.begin([name for name in self._synced if self._copy.held(name)])
            for name in self._synced:
                if not self._copy.begun(name):
                    self._copy.begin([name]) if self._synced[name].initial_sync else self._copy.skip(name)
        return ChangeStream(self._database, list(self._synced), position, self._hooks.notice, self._jitter)

    def _copy_all(self) -> None:
        """Copy whatever is begun, to its end."""
        names = self._turns.do(lambda: [name for name in self._synced if self._copy.wanted(name)])
        if not names:
            return
        self._hooks.expect({name: self._turns.do(partial(self._copy.size, name)) for name in names})
        for name in names:
            self._hooks.progress(name, self._turns.do(partial(self._copy.copied, name)))
            while number := self._turns.do(partial(self._copy_page, name)):
                self._hooks.progress(name, number)
                self._stop.wait(copying_pause(number, self._per_second))

    def _copy_page(self, name: str) -> int:
        self._hooks.phase("initial")
        number, arrived = self._copy.step(name)
        self.counts["copied"] += number
        self._changes.settle(arrived)
        return number

    def _follow(self, stream: ChangeStream) -> None:
        """Apply what happens in MongoDB."""
        while not self._stop.is_set():
            batch = stream.take(_EVENTS, PULSE_SECONDS)
            if batch is not None:
                self._turns.do(partial(self._apply, batch))

    def _apply(self, batch: Batch) -> None:
        self._hooks.phase("live")
        arrived, ended = self._inbound.apply(batch.events, {"token": batch.token} if batch.token else {})
        self._changes.settle(arrived)
        for name, what in ended.items():
            self._hooks.notice(f"{name} was {what} in MongoDB: comparing all documents")
        with self._state.transaction():
            self._copy.begin(ended, dropped=True)
            if batch.lost is not None:
                self._hooks.notice(
                    f"the position in MongoDB's changes is lost ({batch.lost.reason}): comparing all documents"
                )
                self._state.put("token", None)
                self._state.put("start", batch.lost.start)
                self._copy.begin(self._synced)
        self._reached = max(self._reached, batch.time)
        if batch.failure is not None:
            raise batch.failure

    def _carry(self) -> None:
        """Carry what devices write; first what they wrote while no bridge was looking."""
        self._until_reached()
        self._changes.carry(self._copying)

    def _finish(self) -> None:
        """Copy, catch up, and carry what the store holds more, until both sides are in step."""
        self._copy_all()
        self._until_reached()
        self._changes.compare([] if self._empty else self._synced)
        while self._turns.do(self._busy):
            self._copy_all()
            self._changes.flush_waiting()
            self._until_reached()

    def _busy(self) -> bool:
        return self._changes.waiting or self._copying()

    def _copying(self) -> bool:
        return any(map(self._copy.wanted, self._synced))
