"""A thread that reads the change stream and returns its events in batches.

The server filters by collection, so that nothing of a collection that does not sync is sent. A lost link is picked up
again where it broke. A position that the server no longer knows ends in `Lost`, after which the stream goes on from
the server's present.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Final

from bson import Timestamp
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from conformance.connection.client import in_words
from edge.bridge.mongo_side.backoff import link_delays
from edge.decoding import OPTIONS

Document = dict[str, Any]

#: Milliseconds the server waits for news before it says that there is none.
_PATIENCE_MS: Final = 100
#: Events read ahead.
_AHEAD: Final = 512
#: Seconds from one batch to the next, to gather what follows: a batch costs the store about as much as a single change.
_GATHER: Final = 0.02
_PRESENT: Final = 2**64 - 1
#: Error codes of a server that is not a member of a replica set at the moment, or is leaving it.
ELSEWHERE: Final = frozenset(
    {6, 7, 63, 89, 91, 133, 150, 189, 234, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436}
)
#: Labels of errors after which the same may be tried again; the second: somebody's transaction holds the document.
_PASSING: Final = ("ResumableChangeStreamError", "TransientTransactionError")


@dataclass(frozen=True)
class Lost:
    """The position is gone, for this ``reason``; whatever happened before ``start`` has to be found by comparing."""

    reason: str
    start: Timestamp


@dataclass(frozen=True)
class Batch:
    """Events in their order; ``token`` is the position after them and ``time`` the cluster time reached.

    ``lost`` ends the batch where the stream's position was lost, ``failure`` where it cannot go on at all.
    """

    events: Sequence[Document]
    token: Mapping[str, Any] | None
    time: int
    lost: Lost | None = None
    failure: PyMongoError | None = None


def as_number(time: Timestamp) -> int:
    """Return a cluster time as one number that orders as it does."""
    return int(time.time) << 32 | int(time.inc)


def time_of_token(token: Mapping[str, Any]) -> int:
    """Return the cluster time that a resume token begins with; one in no known form counts as the present."""
    data = token.get("_data")
    return int(data[2:18], 16) if isinstance(data, str) and data.startswith("82") else _PRESENT


def time_of(session: ClientSession) -> int:
    """Return the cluster time of the session's last operation."""
    return 0 if session.operation_time is None else as_number(session.operation_time)


def present(database: Database[Document]) -> Timestamp:
    """Return the server's cluster time now."""
    time: Timestamp = database.client.admin.command("ping")["operationTime"]
    return time


class ChangeStream:
    """Reads from a position (a resume token, or a cluster time) until ``close``; ``notice`` hears of the link."""

    def __init__(
        self,
        database: Database[Document],
        collections: Sequence[str],
        position: Mapping[str, Any] | Timestamp,
        notice: Callable[[str], None],
        jitter: float,
    ) -> None:
        self._database = database.with_options(codec_options=OPTIONS)
        self._names = list(collections)
        self._position = position
        self._notice = notice
        self._jitter = jitter
        self._queue: queue.Queue[Document | Lost | PyMongoError] = queue.Queue(_AHEAD)
        self._next = 0.0
        self._lost: str | None = None
        self._down = False
        self._stop = Event()
        self._thread = Thread(target=self._run, name="bridge-change-stream", daemon=True)
        self._thread.start()

    def take(self, limit: int, timeout: float) -> Batch | None:
        """Return the next events, with those that follow soon; None when there is nothing for ``timeout`` seconds."""
        items: list[Any] = []
        try:
            items.append(self._queue.get(timeout=timeout))
            if isinstance(items[0], dict) and "operationType" in items[0] and self._queue.empty():
                self._stop.wait(max(0.0, self._next - time.monotonic()))
            while len(items) < limit and isinstance(items[-1], dict):
                items.append(self._queue.get_nowait())
        except queue.Empty:
            if not items:
                return None
        end = items[-1]
        read = [item for item in items if isinstance(item, dict)]
        events = [item for item in read if "operationType" in item]
        if events:
            self._next = time.monotonic() + _GATHER
        token = read[-1]["_id"] if read else None
        return Batch(
            events,
            token,
            time_of_token(token) if token else 0,
            end if isinstance(end, Lost) else None,
            end if isinstance(end, PyMongoError) else None,
        )

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        delays = link_delays(self._jitter)
        while not self._stop.is_set():
            try:
                for _ in self._read():
                    if self._down:
                        self._notice("the connection to MongoDB is back")
                        self._down = False
                        delays = link_delays(self._jitter)
                continue
            except PyMongoError as error:
                reason = error
            if passes(reason):
                if not self._down:
                    self._notice(
                        f"the connection to MongoDB is lost ({in_words(reason)}); trying again until it is back"
                    )
                    self._down = True
                self._stop.wait(next(delays))
            elif isinstance(reason, OperationFailure) and self._lost is None:
                # Either the position is no good any more, or nothing is: the present will tell.
                self._lost = in_words(reason)
            else:
                self._put(reason)
                return

    def _read(self) -> Iterator[None]:
        """Read until the stream ends; yields whenever the server has answered."""
        position = self._position if self._lost is None else present(self._database)
        with self._database.watch(
            _pipeline(self._names),
            max_await_time_ms=_PATIENCE_MS,
            resume_after=None if isinstance(position, Timestamp) else position,
            start_at_operation_time=position if isinstance(position, Timestamp) else None,
        ) as stream:
            if self._lost is not None and isinstance(position, Timestamp):
                self._put(Lost(self._lost, position))
            self._lost, written = None, None
            while not self._stop.is_set():
                event = stream.try_next()
                yield
                if event is not None:
                    if event["operationType"] == "invalidate":
                        self._lost = "the database was dropped"
                        return
                    self._position = event["_id"]
                    self._put(event)
                elif stream.resume_token is not None and stream.resume_token != written:
                    self._position = written = stream.resume_token
                    self._put({"_id": written})
                if not stream.alive:
                    return

    def _put(self, item: Document | Lost | PyMongoError) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return


def passes(error: PyMongoError) -> bool:
    """Return True for temporary errors: a lost link, a server that steps down or starts, a busy document."""
    if isinstance(error, OperationFailure):
        return error.code in ELSEWHERE or any(map(error.has_error_label, _PASSING))
    return isinstance(error, ConnectionFailure)


def _pipeline(names: Sequence[str]) -> list[Document]:
    """Return what the server sends: changes of these collections, and the end of the whole database."""
    mine = {"$in": list(names)}
    ends = {"operationType": {"$in": ["dropDatabase", "invalidate"]}}
    return [{"$match": {"$or": [{"ns.coll": mine}, {"to.coll": mine}, ends]}}]
