"""Values of documents on disk, in parts: documents with equal keys are in the same part.

A part of the children meets only the part of the parents with the same number, so that both fit into memory however
many documents there are: a Grace hash join. The file has no name, and vanishes with the process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

import numpy as np

from conformance.columns.keys import cells
from conformance.columns.layout import Array, Batch, Column, UnusualError
from conformance.columns.values import Values, joined, values_at

#: Documents that are divided at once.
_CHUNK: Final = 128_000
_COLUMNS: Final = ("codes", "numbers", "texts", "unsure")
#: Bits of a hash that do not choose the part.
_LOW: Final = np.uint64(32)


class _Unread(Mapping[str, Column]):
    """The columns of documents of which only some values were kept: to ask for another is an error."""

    def __getitem__(self, path: str) -> Column:
        raise UnusualError

    def __iter__(self) -> Iterator[str]:
        raise UnusualError

    def __len__(self) -> int:
        return 0


class Kept(Batch):
    """A batch of which the values at some paths were kept. Raise UnusualError for anything else that is asked."""

    def __init__(self, size: int, values: Mapping[str, Values]) -> None:
        super().__init__(b"", np.zeros(size, dtype=np.int64), _Unread())
        self.cache.update(dict(values))

    def window(self, kind: str) -> Array:
        """Raise UnusualError: the bytes were not kept."""
        raise UnusualError(kind)


class Spill:
    """The values at ``paths``, in so many parts by the key at the path ``key``. Close it to free the disk.

    Raise UnusualError if a key is of a kind that is not compared here, or if the disk is full.
    """

    def __init__(self, key: str, paths: Iterable[str], parts: int) -> None:
        self._key = key
        self._paths = sorted({key, *paths})
        self._pending: list[tuple[Array, list[Values]]] = []
        self._size = 0
        self._file: IO[bytes] | None = None
        #: Where the arrays of each part are in the file.
        self._places: list[list[int]] = [[] for _ in range(parts)]
        self._parts = parts

    def take(self, batch: Batch) -> None:
        """Keep the values of a batch."""
        hashes = cells(batch, values_at(batch, self._key)).hashes
        self._pending.append((hashes, [values_at(batch, path) for path in self._paths]))
        self._size += len(batch)
        if self._size >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if not self._pending:
            return
        hashes = np.concatenate([hashes for hashes, _ in self._pending])
        by_path = [joined([values[place] for _, values in self._pending]) for place in range(len(self._paths))]
        self._pending, self._size = [], 0
        parts = ((hashes >> _LOW) % np.uint64(self._parts)).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        ends = np.cumsum(np.bincount(parts, minlength=self._parts))
        rows = _rows(by_path)
        rows = rows.view(f"V{rows.itemsize}")[order].view(rows.dtype)  # six times as fast as field by field
        with self._disk():
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
            for places, some in zip(self._places, np.split(rows, ends[:-1]), strict=True):
                places.append(self._file.tell())
                np.save(self._file, some, allow_pickle=False)

    def batches(self, part: int) -> Iterator[Batch]:
        """Yield the documents of a part, once all were taken and written."""
        file = self._file
        if file is None:
            return
        for place in self._places[part]:
            with self._disk():
                file.seek(place)
                rows = np.load(file, allow_pickle=False)
            yield Kept(len(rows), {path: _values(rows, at) for at, path in enumerate(self._paths)})

    def close(self) -> None:
        """Delete the file."""
        if self._file is not None:
            with suppress(OSError):  # what could not be written is not needed
                self._file.close()
        self._file = None

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Raise UnusualError when the disk does not take or give what is kept."""
        try:
            yield
        except OSError:
            self.close()
            raise UnusualError from None


def _rows(values: list[Values]) -> Array:
    """Return values side by side, a record for each document."""
    columns: dict[str, Array] = {
        f"{place}{name}": getattr(one, name)
        for place, one in enumerate(values)
        for name in _COLUMNS
        if getattr(one, name) is not None
    }
    rows = np.empty(len(values[0].codes), dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


def _values(rows: Array, place: int) -> Values:
    """Return the values at a place of records."""
    found: list[Any] = [
        np.ascontiguousarray(rows[f"{place}{name}"]) if f"{place}{name}" in (rows.dtype.names or ()) else None
        for name in _COLUMNS
    ]
    return Values(*found)
