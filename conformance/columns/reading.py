"""Read a collection in batches: the server's replies as raw BSON, and the documents in them walked side by side."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import numpy as np
from bson import CodecOptions, Int64
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

from conformance.columns.layout import (
    FIXED,
    HAS_LENGTH,
    LENGTH,
    OBJECT,
    PADDING,
    Array,
    Batch,
    Column,
    Layout,
    UnusualError,
    layout_of,
    window,
)

#: Documents of one batch: their columns fit into the processor's cache.
BATCH: Final = 16_000
#: Documents that are walked side by side: they fit into the cache themselves, and are looked at once per name.
_SIDE_BY_SIDE: Final = 4_000
#: Layouts that are tried; documents of others are read by the server alone.
_LAYOUTS: Final = 64


def batches(collection: Collection[Any], objects: Container[str]) -> Iterator[Batch]:
    """Yield the documents of a collection; ``objects`` are the paths of the objects that are looked into.

    Raise UnusualError when one cannot be read as columns.
    """
    yield from read(_replies(collection), objects)


def read(replies: Iterable[bytes], objects: Container[str]) -> Iterator[Batch]:
    """Yield the documents of the server's replies, in batches of one layout each."""
    layouts: list[Layout] = []
    for reply in replies:
        raw = reply + bytes(PADDING)
        starts = _starts(raw, _cursor(raw)[1])
        for layout in layouts:
            starts = yield from _read(raw, starts, layout)
        while len(starts):
            if len(layouts) == _LAYOUTS:
                raise UnusualError
            layouts.append(layout_of(raw, int(starts[0]), objects))
            layouts.sort(key=len, reverse=True)
            number = len(starts)
            for layout in layouts:
                starts = yield from _read(raw, starts, layout)
            if len(starts) == number:
                raise UnusualError


def _replies(collection: Collection[Any]) -> Iterator[bytes]:
    """Yield the server's replies to a find without a filter; the next one is on its way while one is used.

    The driver's raw batches make an object of each document, which takes as long as everything else here.
    """
    database, name = collection.database, collection.name
    with database.client.start_session() as session, ThreadPoolExecutor(1, thread_name_prefix="survey") as pool:

        def ask(command: dict[str, Any]) -> bytes:
            return bytes(database.command(command, session=session, codec_options=_RAW).raw)

        reply = ask({"find": name, "batchSize": BATCH, "collation": _SIMPLE})
        cursor = _cursor(reply)[0]
        try:
            while cursor:
                following = pool.submit(ask, {"getMore": cursor, "collection": name, "batchSize": BATCH})
                yield reply
                reply = following.result()
                cursor = _cursor(reply)[0]
            yield reply
        except GeneratorExit:  # the documents are not read to the end
            cursor = _cursor(following.result())[0] if cursor else cursor
            if cursor:
                ask({"killCursors": name, "cursors": [cursor]})
            raise


_RAW: Final = CodecOptions(RawBSONDocument)
#: As every query of the rules: a view with a collation of its own cannot be read, and is left to them.
_SIMPLE: Final = {"locale": "simple"}


def _cursor(raw: bytes) -> tuple[Int64, int]:
    """Return the cursor's number, and where its batch of documents starts."""
    (cursor,) = (at for name, at in _values(raw, 0) if name == b"cursor")
    places = dict(_values(raw, cursor))
    (batch,) = (at for name, at in places.items() if name.endswith(b"Batch"))
    return Int64(int.from_bytes(raw[places[b"id"] : places[b"id"] + 8], "little", signed=True)), batch


def _values(raw: bytes, at: int) -> Iterator[tuple[bytes, int]]:
    """Yield the names in an object, and where the value of each starts."""
    end = at + LENGTH(raw, at)[0] - 1
    at += 4
    while at < end:
        kind, stop = raw[at], raw.index(0, at + 1)
        yield raw[at + 1 : stop], stop + 1
        at = stop + 1 + int(FIXED[kind]) + (LENGTH(raw, stop + 1)[0] if HAS_LENGTH[kind] else 0)


def _starts(raw: bytes, at: int) -> Array:
    """Return where the documents of an array start, whose names are their numbers."""
    end = at + LENGTH(raw, at)[0] - 1
    found: list[int] = []
    at, before, limit = at + 4, 3, 10  # each comes after its type, its number in decimal digits, and a NUL
    while at < end:
        for _ in range(limit - len(found)):
            at += before
            found.append(at)
            at += LENGTH(raw, at)[0]
            if at >= end:
                break
        before, limit = before + 1, limit * 10
    return np.array(found, dtype=np.int64)


def _read(raw: bytes, starts: Array, layout: Layout) -> Generator[Batch, None, Array]:
    """Yield the documents that the layout reads, if any; return where the others start."""
    if not len(starts):
        return starts
    walks = [_Walk(raw, layout, starts[at : at + _SIDE_BY_SIDE]) for at in range(0, len(starts), _SIDE_BY_SIDE)]
    read = np.concatenate([walk.read for walk in walks])
    if read.any():
        paths = dict.fromkeys(path for walk in walks for path in walk.columns)
        columns = {path: _joined([walk.column(path) for walk in walks]) for path in paths}
        if not read.all():
            columns = {path: replace(one, codes=one.codes[read], at=one.at[read]) for path, one in columns.items()}
        yield Batch(raw, starts[read], columns)
    return starts[~read]


def _joined(parts: Sequence[Column]) -> Column:
    """Return the columns of documents after each other as one."""
    if len(parts) == 1:
        return parts[0]
    codes, at = (np.concatenate([getattr(part, name) for part in parts]) for name in ("codes", "at"))
    kinds = {part.code for part in parts}
    return Column(codes, at, any(part.opened for part in parts), kinds.pop() if len(kinds) == 1 else None)


def _word(name: bytes) -> np.uint64:
    """Return the first eight bytes of a name as a word."""
    return np.uint64(int.from_bytes(name[:8], "little"))


class _Walk:
    """A walk through documents side by side: what it finds by path, and which of them the layout reads to their end."""

    def __init__(self, raw: bytes, layout: Layout, starts: Array) -> None:
        self._bytes = np.frombuffer(raw, np.uint8)
        self._words = window(raw, "<u8")
        self._lengths = window(raw, "<i4")
        self._number = len(starts)
        self.columns: dict[str, Column] = {}
        end = self._through(layout, starts + 4, np.ones(len(starts), dtype=bool), "")
        self.read: Array = end == starts + self._lengths[starts] - 1

    def column(self, path: str) -> Column:
        """Return the values at a path, which in an object are missing where no document of this walk has the object."""
        found = self.columns.get(path)
        return found or Column(np.zeros(self._number, np.uint8), np.zeros(self._number, np.int64), opened=False, code=0)

    def _begin_with(self, asked: bytes, at: Array) -> Array:
        """Return where these bytes stand, compared by words of eight."""
        if len(asked) <= 8:
            kept = np.uint64((1 << 8 * len(asked)) - 1)
            same: Array = (self._words[at] & kept) == _word(asked)
            return same
        same = self._words[at] == _word(asked)
        for place in [*range(8, len(asked) - 8, 8), len(asked) - 8]:
            same &= self._words[at + place] == _word(asked[place:])
        return same

    def _through(self, layout: Layout, at: Array, live: Array, before: str) -> Array:
        """Return where each document is after the names of the layout; 0 for one that cannot be read."""
        for element in layout:
            named = element.name + b"\0"
            if live.all() and self._begin_with(bytes([element.code]) + named, at).all():
                code, codes = element.code, np.full(len(at), element.code, dtype=np.uint8)
            else:
                here = live & self._begin_with(named, at + 1)
                code, codes = None, self._bytes[at] if here.all() else np.where(here, self._bytes[at], 0)
            kinds: Any = codes if code is None else code
            value = at + 1 + len(named)
            size, has_length = FIXED[kinds], HAS_LENGTH[kinds]
            if has_length.all():
                size = size + self._lengths[value]
            elif has_length.any():
                size = np.where(has_length, size + self._lengths[value], size)
            path = before + element.name.decode()
            self.columns[path] = Column(codes, value, element.inner is not None, code)
            if element.inner is not None and (codes == OBJECT).any():
                is_object = codes == OBJECT
                inside = self._through(element.inner, np.where(is_object, value + 4, 0), is_object, f"{path}.")
                live = live & (~is_object | (inside == value + size - 1))
            is_sized = size >= 0
            if is_sized.all():
                at = np.where(live, value + size, 0)
            else:
                live = live & (is_sized | (codes == 0))
                at = np.where(live, np.where(codes == 0, at, value + size), 0)
        return at
