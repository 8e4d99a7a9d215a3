"""A pattern as an automaton of its characters' positions, with the number of ways that lead from one to the next.

It follows what an engine that backtracks does: two ways to reach the same position with the same text are two attempts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

#: An escape, a class, a counted repetition, or any other single character.
TOKEN: Final = re.compile(r"\\.?|\[\^?(?:\\.|[^\]\\])*\]?|\(\?|\{[^}]*\}?|.", re.DOTALL)
#: Positions that an automaton may have; optional repetitions beyond `_WRITTEN_OUT` count as unlimited.
MAX_POSITIONS: Final = 3_000
_WRITTEN_OUT: Final = 3
_WAYS: Final = 1_000_000


class TooLargeError(Exception):
    """The pattern has more positions than are looked at."""


@dataclass
class Automaton:
    """Positions, each with the part of the pattern that it matches, and the ways from one to the next.

    ``longest`` is the length of the longest text that the pattern matches; None if it is unlimited.
    """

    parts: list[str] = field(default_factory=list)
    first: Counter[int] = field(default_factory=Counter)
    following: dict[int, Counter[int]] = field(default_factory=dict)
    longest: int | None = 0


@dataclass(frozen=True)
class _Piece:
    """A part of the automaton: where it begins and ends, in how many ways it matches nothing, its longest text."""

    first: Counter[int]
    last: Counter[int]
    empty: int
    longest: int | None


_NOTHING: Final = _Piece(Counter(), Counter(), 1, 0)
_Maker = Callable[["_Builder"], _Piece]


def automaton(body: str) -> Automaton:
    """Return the automaton of a pattern without its anchors. Raises TooLargeError."""
    builder = _Builder()
    piece = _Parser(body).alternatives()(builder)
    return Automaton(builder.parts, piece.first, builder.following, piece.longest)


class _Builder:
    """Makes positions and joins pieces."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.following: dict[int, Counter[int]] = {}

    def position(self, part: str) -> _Piece:
        if len(self.parts) == MAX_POSITIONS:
            raise TooLargeError
        self.parts.append(part)
        number = len(self.parts) - 1
        self.following[number] = Counter()
        return _Piece(Counter({number: 1}), Counter({number: 1}), 0, 1)

    def chain(self, left: _Piece, right: _Piece) -> _Piece:
        self._join(left.last, right.first)
        return _Piece(
            left.first + _times(right.first, left.empty),
            right.last + _times(left.last, right.empty),
            min(left.empty * right.empty, _WAYS),
            None if left.longest is None or right.longest is None else left.longest + right.longest,
        )

    def either(self, left: _Piece, right: _Piece) -> _Piece:
        longest = None if left.longest is None or right.longest is None else max(left.longest, right.longest)
        return _Piece(left.first + right.first, left.last + right.last, min(left.empty + right.empty, _WAYS), longest)

    def loop(self, piece: _Piece) -> _Piece:
        self._join(piece.last, piece.first)
        return _Piece(piece.first, piece.last, 1, None)

    def _join(self, ends: Counter[int], starts: Counter[int]) -> None:
        for end, ways in ends.items():
            self.following[end].update(_times(starts, ways))


def _times(ways: Counter[int], factor: int) -> Counter[int]:
    return Counter({number: min(count * factor, _WAYS) for number, count in ways.items() if factor})


class _Parser:
    """Reads what `conformance.patterns.portability` lets pass."""

    def __init__(self, body: str) -> None:
        self._tokens = TOKEN.findall(body)
        self._place = 0

    def alternatives(self) -> _Maker:
        branches = [self._sequence()]
        while self._next() == "|":
            self._place += 1
            branches.append(self._sequence())

        def make(builder: _Builder) -> _Piece:
            piece = branches[0](builder)
            for branch in branches[1:]:
                piece = builder.either(piece, branch(builder))
            return piece

        return make

    def _next(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _sequence(self) -> _Maker:
        makers: list[_Maker] = []
        while self._next() not in ("", "|", ")"):
            makers.append(self._repeated(self._atom()))

        def make(builder: _Builder) -> _Piece:
            piece = _NOTHING
            for maker in makers:
                piece = builder.chain(piece, maker(builder))
            return piece

        return make

    def _atom(self) -> _Maker:
        part = self._next()
        self._place += 1
        if part != "(":
            return lambda builder: builder.position(part)
        inner = self.alternatives()
        self._place += 1  # the closing parenthesis
        return inner

    def _repeated(self, atom: _Maker) -> _Maker:
        found = _bounds(self._next())
        if found is None:
            return atom
        self._place += 1
        if self._next() == "?":  # lazy: the same ways in another order
            self._place += 1
        return _repetition(atom, *found)


def _bounds(part: str) -> tuple[int, int | None] | None:
    known: Mapping[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
    if part in known:
        return known[part]
    counted = re.fullmatch(r"\{([0-9]+)(,([0-9]*))?\}", part)
    if counted is None:
        return None
    low = int(counted[1])
    return low, low if counted[2] is None else int(counted[3]) if counted[3] else None


def _repetition(atom: _Maker, low: int, high: int | None) -> _Maker:
    def make(builder: _Builder) -> _Piece:
        piece = _NOTHING
        for _ in range(low):
            piece = builder.chain(piece, atom(builder))
        if high is None or high - low > _WRITTEN_OUT:
            one = atom(builder)
            many = builder.loop(one)
            bounded = None if high is None or one.longest is None else (high - low) * one.longest
            return builder.chain(piece, _Piece(many.first, many.last, many.empty, bounded))
        rest = _NOTHING
        for _ in range(high - low):
            more = builder.chain(atom(builder), rest)
            rest = builder.either(_NOTHING, more)
        return builder.chain(piece, rest)

    return make
