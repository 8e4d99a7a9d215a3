"""A device's store: the real Ditto SDK, offline, behind a small blocking interface.

How the engine behaves, as tried on SDK 5.2.0.dev0; tests/edge/store/ tests it.

Writing. ``SET m = {…}`` on an object merges and removes nothing; ``SET m.x = …`` makes the objects on the way, and so
does ``UNSET a.b`` where there is no ``a``: it leaves an empty one. A value of another type hides the one before, which
is seen again when the new one is unset, or an object is set on what was one. Null is a value, not an absence. Arrays
are replaced whole. A statement may set and unset at once, but not one path twice: to replace an object, ``write`` its
``UNSET`` and then its ``SET``. In strict mode objects are replaced whole, and a path into one is refused.

Conflicts of INSERT. "do update" writes every field anew and merges objects, as "do merge" did; "do update_local_diff"
writes only what differs, and nothing where nothing does, in two thirds of the time; "do nothing" takes half of it. A
deleted or evicted document is no conflict. One INSERT refuses two documents of one _id.

Atomicity. A statement is all or nothing, and so is a ``write``; readers see what was before it, other writers wait.
What was committed survives kill -9; a power cut may take the last moments of it (SQLite, WAL, synchronous NORMAL).

Speed. In processor time, documents inserted one at a time cost 40 times as much as a thousand in a statement, ten at a
time 5 times, a hundred 1.4 times; 500 to 5,000 are alike, 20,000 are slower. Two threads, or one transaction around it
all, gain nothing. ``_id IN :ids`` costs in proportion up to 1,000 of them, and beyond the square of their number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from conformance.errors import TargetError
from edge.store import sdk
from edge.store.commits import Commits
from edge.store.directories import require_place
from edge.store.id_types import alike
from edge.store.observer import Document, Observer
from edge.store.sdk_thread import SdkThread
from edge.store.statements import BATCH, Mutation, OnConflict, batches, joined, source

#: Bytes that must be free to open a store: on a full disk the SDK ends the process. A thousand documents were seen to
#: take 35 MB for a moment.
ROOM: Final = 64 * 1024 * 1024
#: Peers sync only within one database; this one is the harness's own.
_DATABASE: Final = "6f0c1a52-6d3a-4a53-9d8e-0a4c7a5a1b11"


class Store:
    """An open store. Use it as a context manager, or ``close`` it. Its methods may be called from any thread.

    They raise TargetError, one line, when the store is closed or its disk fails, and StatementError.
    """

    def __init__(self, directory: Path, peer: Any, thread: SdkThread) -> None:
        self._directory = directory
        self._peer = peer
        self._thread = thread
        self._observers: list[Observer] = []
        self._lock = threading.Lock()  # of the list of observers
        #: Written documents, and documents that cannot be read.
        self.commits = Commits(directory)

    @classmethod
    def open(cls, directory: Path, *, strict_mode: bool = False, option: str = "") -> Self:
        """Open the store in ``directory``, made when there is none; one process at a time can.

        ``strict_mode`` is DQL_STRICT_MODE: objects are REGISTERs, replaced whole, instead of MAPs. ``option`` of the
        command line names the directory, if any does. Raises TargetError, one line, when the SDK cannot run here or the
        directory cannot be used.
        """
        ditto = sdk.load()
        another = f"use another directory with {option}" if option else "use another directory"
        require_place(directory, another, ROOM)
        config = ditto.DittoConfig(
            database_id=_DATABASE,
            connect=ditto.DittoConfigConnect.small_peers_only(),
            persistence_directory=str(directory.resolve()),
            system_parameters={"dql_strict_mode": strict_mode},
        )

        async def opened() -> Any:
            return await ditto.Ditto.open(config)

        thread = SdkThread(directory)
        try:
            peer = thread.open(opened())
        except ditto.DittoPersistenceDirectoryLockedError:
            raise TargetError(
                f"{directory}: the store is open already, in this process or another; close it there, or {another}"
            ) from None
        except ditto.DittoError as error:
            raise TargetError(
                f"{directory}: Ditto cannot open a store there: {sdk.reason_of(error)}; if a store is damaged, move it"
                " away and start again"
            ) from None
        return cls(directory, peer, thread)

    @property
    def directory(self) -> Path:
        """Return where the store is."""
        return self._directory

    def execute(self, dql: str, arguments: Mapping[str, Any] | None = None) -> list[Document]:
        """Return the rows of a query, all of them decoded: at some 20,000 a second of processor time."""
        with self._thread.run(self._peer.store.execute(dql, arguments), dql) as result:
            return [item.value for item in result]

    def mutate(self, dql: str, arguments: Mapping[str, Any] | None = None) -> Mutation:
        """Run one statement that changes documents, all or nothing."""
        with self._thread.run(self._peer.store.execute(dql, arguments), dql) as result:
            return Mutation([each.value for each in result.mutated_document_ids()], result.commit_id)

    def write(self, statements: Sequence[tuple[str, Mapping[str, Any]]]) -> list[list[Any]]:
        """Run statements that change documents in one transaction, all or nothing; the _ids that each one changed.

        A statement that is refused undoes those before it.
        """

        async def scope(transaction: Any) -> list[list[Any]]:
            changed = []
            for dql, arguments in statements:
                with await transaction.execute(dql, arguments) as result:
                    changed.append([each.value for each in result.mutated_document_ids()])
            return changed

        done: list[list[Any]] = self._thread.run(self._peer.store.transaction(scope), joined(statements))
        return done

    def commit(self, statements: Sequence[tuple[str, Mapping[str, Any]]]) -> int | None:
        """Do as ``write``; return the number of the commit instead of _ids, which cost a sixth of an INSERT's time."""

        async def scope(transaction: Any) -> Any:
            for dql, arguments in statements[:-1]:
                (await transaction.execute(dql, arguments)).close()
            return await transaction.execute(*statements[-1])

        with self._thread.run(self._peer.store.transaction(scope), joined(statements)) as result:
            number: int | None = result.commit_id
        return number

    def insert(self, collection: str, documents: Iterable[Mapping[str, Any]], on_conflict: OnConflict = "fail") -> int:
        """Insert documents, 1,000 to a statement; how many were written.

        A refused statement writes none of its thousand; those before it stay.
        """
        clause = "" if on_conflict == "fail" else f" ON ID CONFLICT {on_conflict.upper()}"
        dql = f"INSERT INTO {source(collection)} DOCUMENTS (:documents){clause}"
        number = 0
        for some in batches(documents):
            with self._thread.run(self._peer.store.execute(dql, {"documents": some}), dql) as result:
                number += len(some) if on_conflict == "fail" else len(result.mutated_document_ids())
        return number

    def observe(
        self, dql: str, callback: Callable[[list[Document]], None], arguments: Mapping[str, Any] | None = None
    ) -> Observer:
        """Call back with all rows of a query, at once and whenever they change, on one thread of the observation's own.

        The rows are the whole result, never a difference (the SDK's Differ takes as long as reading it), with all
        changes since the last: 50 in quick succession made 5 calls. They come 34 ms after the commit however large the
        collection is, index or not, when the query selects little; the cost is in the rows: 260 ms for 10,000, 1.9 s
        for 50,000. So select narrowly, and do not divide a large result among many observers: each commit costs all.
        A change outside of condition and projection does not call; writing the value that is there does. The callback
        may use the store. While it runs nothing is sent; a result that was there only meanwhile is never seen.
        """
        observer = Observer(self._thread.loop, callback)
        try:
            self._thread.run(observer.register(self._peer, dql, arguments), dql)
        except BaseException:
            observer.cancel()
            raise
        with self._lock:
            self._observers = [one for one in self._observers if not one.ended] + [observer]
        return observer

    def count(self, collection: str) -> int:
        """Return the number of documents of the collection; 0 if it does not exist."""
        dql = f"SELECT count(*) AS n FROM {source(collection)}"  # noqa: S608 - quoted
        return int(self.execute(dql)[0]["n"])

    def delete(self, collection: str, ids: Iterable[Any]) -> list[Any]:
        """Delete documents by _id, on every device in time; the _ids that were there."""
        return self._each_batch(f"DELETE FROM {source(collection)} WHERE _id IN :ids", ids)  # noqa: S608 - quoted

    def evict(self, collection: str, ids: Iterable[Any]) -> list[Any]:
        """Forget documents by _id on this device only; the _ids that were there."""
        return self._each_batch(f"EVICT FROM {source(collection)} WHERE _id IN :ids", ids)

    def validate_subscription(self, dql: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Raise StatementError when the engine does not take the query as a subscription; it subscribes to nothing.

        It takes `x IN (:list)`, which selects nothing when the parameter is a list; right is `x IN :list`.
        """

        async def subscribe() -> None:
            subscription = self._peer.sync.register_subscription(dql, arguments)
            subscription.cancel()
            subscription.close()

        self._thread.run(subscribe(), dql)

    def close(self) -> None:
        """End observations, cancel what runs, and close; safe to call again.

        What another thread is running raises TargetError there, written or not. Raises TargetError when the SDK does
        not let go within 10 seconds.
        """
        if not self._thread.begin_closing():
            return
        self.commits.close()
        for observer in self._observers:
            observer.cancel()
        self._thread.close(self._peer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _each_batch(self, dql: str, ids: Iterable[Any]) -> list[Any]:
        return [one for some in alike(ids, BATCH) for one in self.mutate(dql, {"ids": some}).ids]
