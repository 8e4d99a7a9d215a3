"""Documents of the store that devices, or the bridge itself, have written: their keys, deletions included."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Lock, Thread
from typing import Final

from edge.store.store import Store

#: Seconds between looks at the store's file.
_PERIOD: Final = 0.005
#: Looks at the commits after the file has changed, for its time is coarse; and seconds until one without a change.
_LOOKS: Final = 8
_RARELY: Final = 0.5


class Feed:
    """Collects keys by collection until ``take``; ``wake`` is called when there are some.

    ``began``: the commits after which nothing that is written escapes it; ``complete_from``: the same as a time.
    """

    def __init__(self, store: Store, names: Iterable[str], wake: Callable[[], None]) -> None:
        self._commits = store.commits
        self.began = self._commits.present(names)
        self._at = dict(self.began)
        self._wake = wake
        self._lock = Lock()
        self._written: dict[str, dict[str, None]] = defaultdict(dict)
        self._failure: BaseException | None = None
        self._stop = Event()
        self.complete_from = time.time()
        self._thread = Thread(target=self._follow, name="bridge-feed", daemon=True)
        self._thread.start()

    def take(self) -> dict[str, list[str]]:
        """Return what was written since the last time; raise what ended the feed, if anything did."""
        if self._failure is not None:
            raise self._failure
        with self._lock:
            written, self._written = self._written, defaultdict(dict)
        return {name: list(keys) for name, keys in written.items()}

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        changed, looks, due = None, 0, 0.0
        try:
            while not self._stop.wait(_PERIOD):
                now = self._commits.changed()
                if now != changed:
                    changed, looks = now, _LOOKS
                if looks > 0 or time.monotonic() > due:
                    looks, due = looks - 1, time.monotonic() + _RARELY
                    self._note(self._commits.written(self._at))
        except BaseException as error:
            self._failure = error
            self._wake()

    def _note(self, written: Mapping[str, list[str]]) -> None:
        with self._lock:
            for name, keys in written.items():
                self._written[name].update(dict.fromkeys(keys))
        if written:
            self._wake()
