"""Walk raw BSON field by field, through all documents of a batch at once.

A layout is the order of names that a document has. Most documents of a collection share one, some lack optional
fields: at each name of the layout, those that have it there step over its value, and the others stay where they are.
A document that has then reached its end was read. The others are read by a layout learned from the first of them.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

#: Codes of BSON types.
DOUBLE, TEXT, OBJECT, ARRAY, BOOLEAN, NULL, INT, LONG, DECIMAL = 0x01, 0x02, 0x03, 0x04, 0x08, 0x0A, 0x10, 0x12, 0x13
#: Bytes after a batch: no name or text that is read at once is longer.
PADDING: Final = 1024
_LONGEST_NAME: Final = 500
#: Names of one layout; documents with more are read by the server alone.
_NAMES: Final = 500

LENGTH: Final = struct.Struct("<i").unpack_from
#: Bytes of a value by its type; of those with a length, what comes on top of it. Others are not read here: nor is
#: `undefined`, which the server takes for null in one place and for a type of its own in another.
_UNREAD: Final = -1
FIXED: Final = np.full(256, _UNREAD, dtype=np.int64)
FIXED[[0x01, 0x07, 0x08, 0x09, 0x0A, 0x10, 0x11, 0x12, 0x13, 0x7F, 0xFF]] = 8, 12, 1, 8, 0, 4, 8, 8, 16, 0, 0
FIXED[[0x02, 0x0D, 0x0E, 0x03, 0x04, 0x05]] = [4, 4, 4, 0, 0, 5]
HAS_LENGTH: Final = np.zeros(256, dtype=bool)
HAS_LENGTH[[0x02, 0x0D, 0x0E, 0x03, 0x04, 0x05]] = True


class UnusualError(Exception):
    """The documents or the query are of a kind that only the server reads."""


@dataclass(frozen=True)
class Element:
    """A name of a layout, the type of its value in the document that the layout is of, and what is below it.

    ``inner`` are the names in the object that it stands for, if these are read, too; none where that document has no
    object there.
    """

    name: bytes
    code: int
    inner: Layout | None


Layout = tuple[Element, ...]


def layout_of(raw: bytes, at: int, objects: Container[str], before: str = "") -> Layout:
    """Return the layout of the document at a position. Raise UnusualError if a name stands twice in it.

    ``objects`` are the paths of the objects that are looked into; of others the names may differ in each document.
    """
    end = at + LENGTH(raw, at)[0] - 1
    at += 4
    elements: list[Element] = []
    while at < end:
        kind, stop = raw[at], raw.index(0, at + 1)
        name, at = raw[at + 1 : stop], stop + 1
        size = int(FIXED[kind])
        if size == _UNREAD or b"." in name or len(name) > _LONGEST_NAME or len(elements) >= _NAMES:
            raise UnusualError
        path = before + _text(name)
        inner: Layout | None = None
        if path in objects:  # where it is null, say, objects with names are left to a layout that has these
            inner = layout_of(raw, at, objects, f"{path}.") if kind == OBJECT else ()
        elements.append(Element(name, kind, inner))
        at += size + (LENGTH(raw, at)[0] if HAS_LENGTH[kind] else 0)
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

    ``opened``: the objects among them were looked into, and their names have columns of their own. ``code`` is the
    code of all values, None where they may differ.
    """

    codes: Array
    at: Array
    opened: bool
    code: int | None


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
        return window(self.raw, kind)

    def names(self, path: str) -> set[str]:
        """Return the names that occur in the objects at a path; those of the documents for an empty path."""
        before = f"{path}." if path else ""
        found = (name.removeprefix(before) for name in self.columns if name.startswith(before))
        return {name for name in found if "." not in name}


def window(raw: bytes, kind: str) -> Array:
    """Return what stands at each position if a value of that NumPy type does."""
    dtype = np.dtype(kind)
    return np.ndarray((len(raw) - dtype.itemsize + 1,), dtype, raw, 0, (1,))
