"""Walk raw BSON field by field, through all documents of a batch at once.

A layout is the order of names that a document has. Most documents of a collection share one, some lack optional
fields: at each name of the layout, those that have it there step over its value, and the others stay where they are.
A document that has then reached its end was read. The others are read by a layout learned from the first of them.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from bson import CodecOptions, Int64
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

Array = np.ndarray[Any, Any]

#: Codes of BSON types.
DOUBLE, TEXT, OBJECT, ARRAY, BOOLEAN, NULL, INT, LONG, DECIMAL = 0x01, 0x02, 0x03, 0x04, 0x08, 0x0A, 0x10, 0x12, 0x13
#: Documents of one batch: their columns fit into the processor's cache.
BATCH: Final = 16_000
#: Bytes after a batch: no name or text that is read at once is longer.
PADDING: Final = 1024
_LONGEST_NAME: Final = 500
#: Layouts that are tried, and names of one; documents beyond are read by the server alone.
_LAYOUTS: Final = 64
_NAMES: Final = 500

_LENGTH: Final = struct.Struct("<i").unpack_from
#: Bytes of a value by its type; of those with a length, what comes on top of it. Others are not read here: nor is
#: `undefined`, which the server takes for null in one place and for a type of its own in another.
_UNREAD: Final = -1
_FIXED: Final = np.full(256, _UNREAD, dtype=np.int64)
_FIXED[[0x01, 0x07, 0x08, 0x09, 0x0A, 0x10, 0x11, 0x12, 0x13, 0x7F, 0xFF]] = 8, 12, 1, 8, 0, 4, 8, 8, 16, 0, 0
_FIXED[[0x02, 0x0D, 0x0E, 0x03, 0x04, 0x05]] = [4, 4, 4, 0, 0, 5]
_HAS_LENGTH: Final = np.zeros(256, dtype=bool)
_HAS_LENGTH[[0x02, 0x0D, 0x0E, 0x03, 0x04, 0x05]] = True


class UnusualError(Exception):
    """The documents or the query are of a kind that only the server reads."""


@dataclass(frozen=True)
class Element:
    """A name of a layout, with the names in the object that it stands for if these are read, too."""

    name: bytes
    inner: Layout | None


Layout = tuple[Element, ...]


def layout_of(raw: bytes, at: int, objects: Container[str], before: str = "") -> Layout:
    """Return the layout of the document at a position. Raise UnusualError if a name stands twice in it.

    ``objects`` are the paths of the objects that are looked into; of others the names may differ in each document.
    """
    end = at + _LENGTH(raw, at)[0] - 1
    at += 4
    elements: list[Element] = []
    while at < end:
        kind, stop = raw[at], raw.index(0, at + 1)
        name, at = raw[at + 1 : stop], stop + 1
        size = int(_FIXED[kind])
        if size == _UNREAD or b"." in name or len(name) > _LONGEST_NAME or len(elements) >= _NAMES:
            raise UnusualError
        path = before + _text(name)
        inner = layout_of(raw, at, objects, f"{path}.") if kind == OBJECT and path in objects else None
        elements.append(Element(name, inner))
        at += size + (_LENGTH(raw, at)[0] if _HAS_LENGTH[kind] else 0)
    if len({element.name for element in elements}) < len(elements):
        raise UnusualError
    return tuple(elements)


def _text(name: bytes) -> str:
    """Return a name as text. Raise UnusualError if it is none: two such names may be read as the same text."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise UnusualError from None


@dataclass(frozen=True)
class Column:
    """The values at a path: the code of each one's type (0: missing), and where it begins in the batch.

    ``opened``: the objects among them were looked into, and their names have columns of their own.
    """

    codes: Array
    at: Array
    opened: bool


class Batch:
    """Documents of one layout, as columns by path. ``raw`` are their bytes and those of others, and the padding."""

    def __init__(self, raw: bytes, starts: Array, columns: Mapping[str, Column]) -> None:
        self.raw = raw
        self.starts = starts
        self.columns = columns
        #: Values by path; what was computed from them by its kind and what it is of.
        self.cache: dict[str | tuple[str, Any], Any] = {}

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def bytes(self) -> Array:
        """The bytes as numbers."""
        return np.frombuffer(self.raw, np.uint8)

    def window(self, kind: str) -> Array:
        """Return what stands at each position if a value of that NumPy type does."""
        return _window(self.raw, kind)

    def names(self, path: str) -> set[str]:
        """Return the names that occur in the objects at a path; those of the documents for an empty path."""
        before = f"{path}." if path else ""
        found = (name.removeprefix(before) for name in self.columns if name.startswith(before))
        return {name for name in found if "." not in name}


def _window(raw: bytes, kind: str) -> Array:
    dtype = np.dtype(kind)
    return np.ndarray((len(raw) - dtype.itemsize + 1,), dtype, raw, 0, (1,))


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
    end = at + _LENGTH(raw, at)[0] - 1
    at += 4
    while at < end:
        kind, stop = raw[at], raw.index(0, at + 1)
        yield raw[at + 1 : stop], stop + 1
        at = stop + 1 + int(_FIXED[kind]) + (_LENGTH(raw, stop + 1)[0] if _HAS_LENGTH[kind] else 0)


def _starts(raw: bytes, at: int) -> Array:
    """Return where the documents of an array start, whose names are their numbers."""
    end = at + _LENGTH(raw, at)[0] - 1
    found: list[int] = []
    at, before, limit = at + 4, 3, 10  # each comes after its type, its number in decimal digits, and a NUL
    while at < end:
        for _ in range(limit - len(found)):
            at += before
            found.append(at)
            at += _LENGTH(raw, at)[0]
            if at >= end:
                break
        before, limit = before + 1, limit * 10
    return np.array(found, dtype=np.int64)


def _read(raw: bytes, starts: Array, layout: Layout) -> Generator[Batch, None, Array]:
    """Yield the documents that the layout reads, if any; return where the others start."""
    if not len(starts):
        return starts
    walk = _Walk(raw)
    at = walk.through(layout, starts + 4, np.ones(len(starts), dtype=bool), "")
    read = at == starts + walk.lengths[starts] - 1
    if read.any():
        columns = walk.columns
        if not read.all():
            columns = {path: Column(one.codes[read], one.at[read], one.opened) for path, one in columns.items()}
        yield Batch(raw, starts[read], columns)
    return starts[~read]


def _word(name: bytes) -> np.uint64:
    """Return the first eight bytes of a name as a word."""
    return np.uint64(int.from_bytes(name[:8], "little"))


class _Walk:
    """A walk through documents side by side; ``columns`` gathers what it finds."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._bytes = np.frombuffer(raw, np.uint8)
        self._words = _window(raw, "<u8")
        self.lengths = _window(raw, "<i4")
        self.columns: dict[str, Column] = {}

    def _are_named(self, name: bytes, at: Array) -> Array:
        """Return where the name stands, with the NUL that ends it; compared by words of eight bytes."""
        asked = name + b"\0"
        if len(asked) <= 8:
            kept = np.uint64((1 << 8 * len(asked)) - 1)
            same: Array = (self._words[at] & kept) == _word(asked)
            return same
        same = self._words[at] == _word(asked)
        for place in [*range(8, len(asked) - 8, 8), len(asked) - 8]:
            same &= self._words[at + place] == _word(asked[place:])
        return same

    def through(self, layout: Layout, at: Array, live: Array, before: str) -> Array:
        """Return where each document is after the names of the layout; 0 for one that cannot be read."""
        for element in layout:
            here = live & self._are_named(element.name, at + 1)
            codes = self._bytes[at] if here.all() else np.where(here, self._bytes[at], 0)
            value = at + len(element.name) + 2
            size = _FIXED[codes]
            has_length = _HAS_LENGTH[codes]
            if has_length.any():
                size = np.where(has_length, size + self.lengths[value], size)
            path = before + element.name.decode()
            self.columns[path] = Column(codes, value, element.inner is not None)
            is_sized = size >= 0
            if element.inner is not None and (codes == OBJECT).any():
                is_object = codes == OBJECT
                inside = self.through(element.inner, np.where(is_object, value + 4, 0), is_object, f"{path}.")
                live = live & (~is_object | (inside == value + size - 1))
            if is_sized.all():
                at = np.where(live, value + size, 0)
            else:
                live = live & (is_sized | (codes == 0))
                at = np.where(live, np.where(codes == 0, at, value + size), 0)
        return at
