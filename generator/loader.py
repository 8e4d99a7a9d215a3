"""Loading: unordered batches go to MongoDB on two connections while the next are being made in another thread.

With one connection the server waits while a batch is encoded, and the encoder while the server writes: loading the
full size took 1.17 to 1.27 times as long as inserting what is encoded already, with two 0.86 to 1.02 times (two quiet
cores, one connection after the other, twice each). Documents lie in no particular order in a collection.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pymongo import WriteConcern
from pymongo.database import Database
from pymongo.errors import BulkWriteError, PyMongoError

from conformance.connection.client import in_words
from conformance.errors import TargetError
from generator.columns.batch import Document

#: Batches made ahead of the inserts: enough to keep them busy, few enough for bounded memory.
_AHEAD: Final = 2
#: Inserts under way at once.
_WRITERS: Final = 2

#: Codes of a document that the validator or a unique index does not take.
_REFUSED: Final = frozenset({121, 11000})

#: Called with a collection's name and how many documents of it have just been written.
Progress = Callable[[str, int], None]


def load(
    batches: Iterable[tuple[str, list[Document]]],
    database: Database[Any],
    batch_size: int,
    progress: Progress | None = None,
    *,
    bypass_validation: bool = False,
) -> Mapping[str, int]:
    """Insert every batch; the documents written, by collection. ``bypass_validation``: whatever validators say.

    ``progress`` is called by one thread at a time, not the caller's. Raises TargetError, one line, when the server
    refuses a document or goes away; what was inserted before stays, and nothing is inserted any more.
    """
    waiting: queue.Queue[tuple[str, list[Document]] | None] = queue.Queue(_AHEAD)
    failure: list[tuple[str, BaseException]] = []
    counts: Counter[str] = Counter()
    telling = threading.Lock()

    def write(ended: threading.Event) -> None:
        concern = WriteConcern(w=1)
        while (item := waiting.get()) is not None:  # to the end, so that the maker is not left waiting for a place
            name, documents = item
            collection = database.get_collection(name, write_concern=concern)
            try:
                for start in range(0, len(documents), batch_size):
                    if failure:
                        break
                    part = documents[start : start + batch_size]
                    collection.insert_many(part, ordered=False, bypass_document_validation=bypass_validation or None)
                    with telling:
                        counts[name] += len(part)
                        if progress is not None:
                            progress(name, len(part))
            except Exception as error:
                failure.append((name, error))
        ended.set()

    writers = [threading.Event() for _ in range(_WRITERS)]
    for number, ended in enumerate(writers):
        threading.Thread(target=write, args=(ended,), name=f"loader-{number}", daemon=True).start()

    def finish() -> None:
        for _ in writers:
            waiting.put(None)
        for ended in writers:
            ended.wait()  # not join, which takes the thread for ended once a signal has interrupted it (Python 3.11)

    try:
        for batch in batches:
            if failure:
                break
            waiting.put(batch)
        finish()
    except BaseException as error:
        failure.append(("", error))  # what waits to be inserted need not be any more
        finish()  # a signal may have come in the midst of it; nobody writes any more when this returns
        raise
    if failure:
        refused, cause = failure[0]
        raise TargetError(_one_line(cause, refused)) from cause
    return counts


def _one_line(error: BaseException, collection: str) -> str:
    if isinstance(error, BulkWriteError):
        first = ((error.details or {}).get("writeErrors") or [{}])[0]
        if first.get("code") in _REFUSED:
            return (
                f"the server rejected a document of {collection}: {in_words(error)};"
                " check that the database is empty and was provisioned with the current schemas"
            )
    if not isinstance(error, PyMongoError):
        return f"inserting failed: {type(error).__name__}: {error}"
    return (
        f"inserting documents failed: {in_words(error)}; correct that and run the command again (zava generate:"
        " with --drop)"
    )
