"""Values of a batch: their types, and what NumPy can compute with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

import numpy as np

from conformance.columns.layout import (
    ARRAY,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    INT,
    LONG,
    NULL,
    OBJECT,
    TEXT,
    Array,
    Batch,
    UnusualError,
)

#: Bytes of a text that is read; of a longer one nothing is known but its type.
LONGEST: Final = 512
#: Largest number that no other integer becomes as a double: 2**53 + 1 becomes 2**53.
EXACT: Final = float(2**53 - 1)
#: The code of a value whose type is not known either.
UNKNOWN: Final = 0xFE

#: BSON's order of types; values of types with one rank are compared by what they are.
RANK: Final = np.full(256, 99, dtype=np.int16)
for _code, _rank in {
    0x00: 0, NULL: 1, DOUBLE: 2, INT: 2, LONG: 2, DECIMAL: 2, TEXT: 3, 0x0E: 3, 0x03: 4, 0x04: 5, 0x05: 6, 0x07: 7,
    BOOLEAN: 8, 0x09: 9, 0x11: 10, 0x0B: 11, 0x0D: 12, 0x7F: 13, 0xFF: -1,
}.items():  # fmt: skip
    RANK[_code] = _rank
IS_NUMBER: Final = RANK == 2
#: Names of the types, as $type and $jsonSchema have them.
NAMES: Final = {
    "missing": 0x00, "double": DOUBLE, "string": TEXT, "object": OBJECT, "array": ARRAY, "binData": 0x05,
    "undefined": 0x06, "objectId": 0x07, "bool": BOOLEAN, "date": 0x09, "null": NULL, "regex": 0x0B,
    "javascript": 0x0D, "symbol": 0x0E, "int": INT, "timestamp": 0x11, "long": LONG, "decimal": DECIMAL,
    "minKey": 0xFF, "maxKey": 0x7F,
}  # fmt: skip


@cache
def code_table(*listed: int) -> Array:
    """Return a table that is true for these codes; looking codes up in it takes a quarter of the time of np.isin."""
    table = np.zeros(256, dtype=bool)
    table[list(listed)] = True
    return table


@dataclass(frozen=True)
class Values:
    """Values side by side; a constant has length 1.

    ``numbers`` holds those of numbers and booleans, ``texts`` those of strings. Where ``unsure`` is true, the value
    itself is not known here: a long text, say, or a decimal.
    """

    codes: Array
    numbers: Array | None = None
    texts: Array | None = None
    unsure: Array | None = None

    @cached_property
    def kind(self) -> int | None:
        """The code that all values share, if all are known."""
        code = int(self.codes[0]) if len(self.codes) else UNKNOWN
        return code if self.unsure is None and (len(self.codes) == 1 or bool((self.codes == code).all())) else None

    @property
    def known_texts(self) -> Array:
        """The texts. Raise UnusualError if there are none."""
        if self.texts is None:
            raise UnusualError
        return self.texts

    @cached_property
    def raw(self) -> bytes:
        """The texts as bytes, all of one width."""
        return b"" if self.texts is None else self.texts.tobytes()

    def at(self, places: Array) -> Values:
        """Return the values at these places; a missing one where the place is -1."""
        if not len(self.codes):
            return Values(np.zeros(len(places), dtype=np.uint8))
        away = places < 0
        numbers, texts, unsure = (
            None if one is None else one[places] for one in (self.numbers, self.texts, self.unsure)
        )
        return Values(np.where(away, np.uint8(0), self.codes[places]), numbers, texts, unsure)

    @property
    def sure(self) -> Array:
        """Return where the value is known."""
        return np.ones(1, dtype=bool) if self.unsure is None else ~self.unsure


def values_at(batch: Batch, path: str) -> Values:
    """Return the values at a path."""
    if path not in batch.cache:
        batch.cache[path] = _read(batch, path)
    found: Values = batch.cache[path]
    return found


def codes_at(batch: Batch, path: str) -> Array:
    """Return the codes of the types at a path; unknown where an array or an unread object is on the way."""
    if path in batch.cache:
        known: Values = batch.cache[path]
        return known.codes
    column = batch.columns.get(path)
    codes = np.zeros(len(batch), dtype=np.uint8) if column is None else column.codes
    above, _, _ = path.rpartition(".")
    if not above:
        return codes
    outer = codes_at(batch, above)
    hidden = (outer == ARRAY) | (outer == UNKNOWN)
    if above in batch.columns and not batch.columns[above].opened:
        hidden |= outer == OBJECT
    return np.where(hidden, UNKNOWN, codes) if hidden.any() else codes


def _read(batch: Batch, path: str) -> Values:
    codes = codes_at(batch, path)
    column = batch.columns.get(path)
    if column is not None and column.code is not None and codes is column.codes:  # none is hidden by an array, say
        present = {column.code}
    else:
        present = set(np.unique(codes).tolist())
    unsure = code_table(DECIMAL, 0x0E, UNKNOWN)[codes] if present & {DECIMAL, 0x0E, UNKNOWN} else None
    numbers = texts = None
    if column is not None and present & {DOUBLE, INT, LONG, BOOLEAN}:
        numbers = _numbers(batch, codes, column.at, present)
        if LONG in present:
            unsure = _either(unsure, (np.abs(numbers) > EXACT) & (codes == LONG))
        if DOUBLE in present:
            unsure = _either(unsure, np.isnan(numbers))
    if column is not None and TEXT in present:
        texts, odd = _texts(batch, codes, column.at, present)
        unsure = _either(unsure, odd)
    return Values(codes, numbers, texts, unsure)


def _either(one: Array | None, other: Array) -> Array | None:
    if one is None:
        return other if other.any() else None
    return one | other


#: The first bytes of a word: none of them to all eight.
_KEPT: Final = np.array([(1 << 8 * size) - 1 for size in range(9)], dtype="<u8")
_WINDOWS: Final = {DOUBLE: "<f8", INT: "<i4", LONG: "<i8", BOOLEAN: "u1"}


def _numbers(batch: Batch, codes: Array, at: Array, present: set[int]) -> Array:
    if len(present) == 1:
        return batch.window(_WINDOWS[min(present)])[at].astype(np.float64)
    numbers = np.zeros(len(batch))
    for code in present & _WINDOWS.keys():
        here = codes == code
        numbers[here] = batch.window(_WINDOWS[code])[at[here]]
    return numbers


def _texts(batch: Batch, codes: Array, at: Array, present: set[int]) -> tuple[Array, Array]:
    """Return the texts, and where one is not known: it is too long, or holds a NUL, which ends it for NumPy."""
    window = batch.window("<i4")
    if len(present) == 1:
        lengths = window[at] - 1
    else:
        is_text = codes == TEXT
        at = np.where(is_text, at, 0)
        lengths = np.where(is_text, window[at] - 1, 0)
    shortest, longest = max(int(lengths.min()), 0), int(lengths.max())
    width = -(-min(longest, LONGEST) // 8) * 8 or 8
    words = batch.window(f"V{width}")[at + 4].view(np.uint64).reshape(-1, width // 8)
    for place in range(shortest // 8, width // 8):  # what follows the text is not of it
        rest = lengths - 8 * place if shortest < longest else np.array(longest - 8 * place)
        words[:, place] &= _KEPT[np.clip(rest, 0, 8)]
    raw = words.view(np.uint8)
    odd = lengths > width
    if np.count_nonzero(raw) != int(lengths[~odd].sum()) + width * int(odd.sum()):
        odd |= np.count_nonzero(raw, axis=1) != lengths
    return raw.view(f"S{width}").ravel(), odd


def as_bytes(texts: Array) -> Array:
    """Return the bytes of texts, a row for each."""
    return np.ascontiguousarray(texts).view(np.uint8).reshape(len(texts), -1)


def joined(parts: list[Values]) -> Values:
    """Return the values of several batches as one."""
    size = [len(part.codes) for part in parts]

    def together(name: str, dtype: str) -> Array | None:
        columns = [getattr(part, name) for part in parts]
        if all(column is None for column in columns):
            return None
        pairs = zip(columns, size, strict=True)
        return np.concatenate([np.zeros(number, dtype) if column is None else column for column, number in pairs])

    codes = np.concatenate([part.codes for part in parts])
    return Values(codes, together("numbers", "f8"), together("texts", "S8"), together("unsure", "?"))
