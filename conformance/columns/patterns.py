"""Patterns on columns of texts: few different shapes of text are matched, and all others are like one of them.

Two characters are alike to a pattern when each of its parts takes both or neither. With every character replaced by
the first that is like it, thousands of keys become a few shapes, and whether the pattern matches does not change.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import numpy as np

from conformance.columns.layout import Array
from conformance.columns.values import Values, as_bytes
from conformance.model.kinds import TIMESTAMP_PATTERN, UUID4_PATTERN
from conformance.patterns.automaton import TOKEN

#: Syntax that depends on more than which characters a part takes.
_CONTEXT: Final = re.compile(r"\(\?(?!:)|\\[bB0-9AZzGkgpPxuN]|\[[^\]]*\[:")
_COUNT: Final = re.compile(r"\{[0-9]+(,[0-9]*)?\}\??")
#: Shapes that are kept for a pattern.
_MOST: Final = 50_000
#: The end of every portable pattern, which says where the text ends and nothing of its characters.
_END: Final = r"(?![\s\S])"


class Pattern:
    """A pattern, with the shapes that it is known to match, and those that it does not."""

    def __init__(self, pattern: str) -> None:
        self._match = re.compile(pattern, re.ASCII).search
        self._like = _alike(pattern).tobytes()
        self._good: set[bytes] = set()
        self._bad: set[bytes] = set()

    def matches(self, values: Values) -> Array:
        """Return which texts, all of them ASCII, the pattern matches."""
        dtype = values.known_texts.dtype
        shapes = np.frombuffer(values.raw.translate(self._like), dtype).tolist()
        unseen = set(shapes) - self._good
        if len(self._good) + len(self._bad) > _MOST:
            self._good, self._bad = set(), set()
        for shape in unseen - self._bad:
            (self._good if self._match(shape.decode("ascii", "replace")) else self._bad).add(shape)
        if unseen <= self._good:
            return np.ones(len(shapes), dtype=bool)
        return np.array([shape in self._good for shape in shapes], dtype=bool)


def _alike(pattern: str) -> Array:
    """Return for each byte the first one that no part of the pattern tells from it."""
    body = pattern.replace(_END, "")
    table = np.arange(256, dtype=np.uint8)
    tokens = set(TOKEN.findall(body))
    if _CONTEXT.search(body) or any(part[0] in "{}" and not _COUNT.fullmatch(part) for part in tokens):
        return table
    parts = {part for part in tokens if part[0] in "\\[." or (len(part) == 1 and part not in "()|?*+^$")}
    tests = [re.compile(part, re.ASCII).fullmatch for part in parts]
    first: dict[tuple[bool, ...], int] = {}
    for code in range(1, 128):
        takers = (code == ord("\n"), *(test(chr(code)) is not None for test in tests))  # `$` looks for a line feed
        table[code] = first.setdefault(takers, code)
    return table


@cache
def compiled(pattern: str) -> Pattern:
    """Return the pattern, ready to be matched."""
    return Pattern(pattern)


def matches(pattern: str, values: Values) -> Array:
    """Return which texts, all of them ASCII, a pattern matches. Where a text is not known the answer means nothing."""
    known = _FORMS.get(pattern)
    return compiled(pattern).matches(values) if known is None else known(values)


_FORM: Final = np.frombuffer(b"0000-00-00T00:00:00Z", np.uint8)
#: What a byte may be above that of the form: a digit, or nothing.
_HIGHEST: Final = np.where(ord("0") == _FORM, 9, 0).astype(np.uint8)
_PARTS: Final = (0, 2, 5, 8, 11, 14, 17)
#: Days of each month; of none for what is no month.
_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0], dtype=np.uint8)


def are_time_stamps(values: Values) -> Array:
    """Return which texts are real times in the form YYYY-MM-DDTHH:MM:SSZ."""
    rows = as_bytes(values.known_texts)
    size = len(_FORM)
    if rows.shape[1] < size:
        return np.zeros(len(rows), dtype=bool)
    digits = rows[:, :size] - _FORM  # of a smaller byte it is a large number
    form = (digits <= _HIGHEST).all(axis=1) & ~rows[:, size:].any(axis=1)
    (century, year, month, day, hour, minute, second) = (digits[:, at] * 10 + digits[:, at + 1] for at in _PARTS)
    of_leap = np.where(year == 0, century, year) % 4 == 0
    days = _DAYS[np.minimum(month, 13)] + ((month == 2) & of_leap)
    real = ((century > 0) | (year > 0)) & (day >= 1) & (day <= days)
    found: Array = form & real & (hour < 24) & (minute < 60) & (second < 60)
    return found


_UUID: Final = b"00000000-0000-4000-8000-000000000000"
_SIGNS: Final = {b"0123456789abcdefABCDEF": 1, b"-": 2, b"4": 4, b"89abAB": 8}
#: What may stand at a place, by the sign of _UUID there; and, for every byte, all of it that the byte is.
_ASKED: Final = bytes({ord("0"): 1, ord("-"): 2, ord("4"): 4, ord("8"): 8}[sign] for sign in _UUID)
_IS: Final = bytes(sum(bit for signs, bit in _SIGNS.items() if code in signs) for code in range(256))


def are_uuids(values: Values) -> Array:
    """Return which texts are UUIDs of version 4."""
    width, size = values.known_texts.dtype.itemsize, len(_UUID)
    if width < size:
        return np.zeros(len(values.known_texts), dtype=bool)
    asked = np.frombuffer(_ASKED.ljust(width, b"\0"), np.uint64)
    signs = np.frombuffer(values.raw.translate(_IS), np.uint64).reshape(-1, width // 8)
    ends = ~as_bytes(values.known_texts)[:, size:].any(axis=1)
    found: Array = ((signs & asked) == asked).all(axis=1) & ends
    return found


#: Patterns that have so many shapes that each text is looked at.
_FORMS: Final = {TIMESTAMP_PATTERN: are_time_stamps, UUID4_PATTERN: are_uuids}
