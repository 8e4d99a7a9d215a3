"""Patterns that take too long: those for which an engine that backtracks tries very many ways before it gives up.

Python's engine, which explains documents, and MongoDB's PCRE both backtrack. How long is decided by the pattern alone
(A. Weber, H. Seidl, "On the degree of ambiguity of finite automata", 1991): exponentially in the text's length when a
position reaches itself by two ways with the same text; by the power of the number of loops when loops that match the
same text follow each other.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final, TypeVar

from conformance.patterns.automaton import Automaton, TooLargeError, automaton

#: Steps that a pattern may take for one text: some tenths of a second.
MAX_STEPS: Final = 2_000_000
#: The length of a text whose field has no maxLength: what a document can hold.
UNBOUNDED: Final = 16 * 1024 * 1024
_TRIED_LENGTH: Final = 64
#: Positions in loops that are looked at pair by pair.
_MAX_LOOPING: Final = 64
_Pair = tuple[int, int]
Node = TypeVar("Node")


@lru_cache(maxsize=1024)
def explodes(pattern: str) -> str | None:
    """Return why an anchored pattern takes exponential time, whatever bounds its text; None if it does not."""
    try:
        found = _Ambiguity(automaton(pattern[1:-1]))
    except TooLargeError:
        return "it repeats too much to be checked; write fewer or shorter repetitions"
    if found.exponential() or found.most_ways() > MAX_STEPS:
        return (
            "it can match one text in very many ways, so that a document which does not match keeps the server and the"
            " harness busy; write it without a repetition inside a repetition, and without alternatives that overlap"
        )
    return None


@lru_cache(maxsize=1024)
def slow(pattern: str, longest: int | None) -> str | None:
    """Return why a pattern takes too many steps for texts of at most ``longest`` characters; None if it does not."""
    found = _Ambiguity(automaton(pattern[1:-1]))
    degree = found.degree()
    limits = [UNBOUNDED, *(length for length in (longest, found.automaton.longest) if length is not None)]
    length = min(limits)
    if degree < 2 or math.comb(length + degree, degree) <= MAX_STEPS:
        return None
    most = bisect_right(range(UNBOUNDED), MAX_STEPS, key=lambda size: math.comb(size + degree, degree)) - 1
    return (
        f"{degree} repetitions that match the same characters follow each other, which takes the length to the power of"
        f" {degree} in steps; write one repetition, or give the text a maxLength of at most {most}"
    )


class _Ambiguity:
    """The number of ways through an automaton that one text has."""

    def __init__(self, found: Automaton) -> None:
        self.automaton = found
        characters = sorted({chr(code + near) for part in found.parts for code in map(ord, part) for near in (-1, 0, 1)
                             if 0 <= code + near < 0x110000})  # fmt: skip
        matches = [re.compile(part, re.DOTALL) for part in found.parts]
        signatures = {tuple(bool(one.fullmatch(letter)) for one in matches) for letter in characters}
        #: For each kind of character that the pattern tells apart, the positions that match it.
        self._kinds = [frozenset(n for n, hit in enumerate(signature) if hit) for signature in signatures]
        self._on = [{number for number, kind in enumerate(self._kinds) if n in kind} for n in range(len(found.parts))]
        self._component = _components({n: list(after) for n, after in found.following.items()})
        sizes = Counter(self._component.values())
        #: The positions that are in a loop.
        self._looping = [n for n, after in found.following.items() if n in after or sizes[self._component[n]] > 1]
        if len(self._looping) > _MAX_LOOPING:
            raise TooLargeError

    def exponential(self) -> bool:
        """Return True if a position reaches itself by two ways with the same text."""
        graph: dict[_Pair, list[_Pair]] = {}
        waiting: deque[_Pair] = deque((n, n) for n in self._looping)
        while waiting:
            pair = waiting.popleft()
            if pair not in graph:
                graph[pair] = [(a, b) for a, b, _ in self._steps(pair) if self._same_loops(pair, (a, b))]
                waiting.extend(graph[pair])
        component = _components(graph)
        diagonal = {component[n, n] for n in self._looping}
        if any(a != b and component[a, b] in diagonal for a, b in graph):
            return True
        return any(
            ways > 1 and self._component[a] == self._component[b]
            for a in self._looping
            for b, ways in self.automaton.following[a].items()
        )

    def _same_loops(self, before: _Pair, after: _Pair) -> bool:
        return all(self._component[a] == self._component[b] for a, b in zip(before, after, strict=True))

    def _steps(self, pair: _Pair) -> Iterator[tuple[int, int, int]]:
        following = self.automaton.following
        for a, ways in following[pair[0]].items():
            for b, more in following[pair[1]].items():
                if self._on[a] & self._on[b]:
                    yield a, b, ways * more

    def degree(self) -> int:
        """Return the number of loops in the longest chain of which each can hand the same text to the next."""
        linked: dict[int, set[int]] = {}
        for p in self._looping:
            for q in self._looping:
                one, other = self._component[p], self._component[q]
                if one != other and other not in linked.get(one, ()) and self._hands_over(p, q):
                    linked.setdefault(one, set()).add(other)

        @cache
        def longest(component: int) -> int:
            return 1 + max((longest(after) for after in linked.get(component, ())), default=0)

        return max((longest(self._component[n]) for n in self._looping), default=0)

    def _hands_over(self, p: int, q: int) -> bool:
        """Return True if some text leads from p to p, from p to q and from q to q."""
        following = self.automaton.following
        seen = {(p, p, q)}
        waiting = deque(seen)
        while waiting:
            a, b, c = waiting.popleft()
            for x in following[a]:
                if self._component[x] != self._component[p]:
                    continue
                for z in following[c]:
                    if self._component[z] != self._component[q] or not self._on[x] & self._on[z]:
                        continue
                    for y in following[b]:
                        if not self._on[x] & self._on[y] & self._on[z]:
                            continue
                        if (x, y, z) == (p, q, q):
                            return True
                        if (x, y, z) not in seen:
                            seen.add((x, y, z))
                            waiting.append((x, y, z))
        return False

    def most_ways(self) -> int:
        """Return the most ways to read a text of one repeated kind of character, for what is written out."""
        lengths = range(_TRIED_LENGTH // 4 if self._looping else _TRIED_LENGTH)
        most = 0
        for kind in self._kinds:
            ways = {n: count for n, count in self.automaton.first.items() if n in kind}
            for _ in lengths:
                most = max(most, sum(ways.values()))
                after: dict[int, int] = {}
                for n, count in ways.items():
                    for follower, more in self.automaton.following[n].items():
                        if follower in kind:
                            after[follower] = after.get(follower, 0) + count * more
                ways = after
        return most


def _components(graph: dict[Node, list[Node]]) -> dict[Node, int]:
    """Return the strongly connected component of each node (Kosaraju's algorithm, without recursion)."""
    order: list[Node] = []
    seen: set[Node] = set()
    for root in graph:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(graph[root]))]
        while stack:
            node, rest = stack[-1]
            after = next((each for each in rest if each not in seen), None)
            if after is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(after)
                stack.append((after, iter(graph[after])))
    reverse: dict[Node, list[Node]] = {node: [] for node in graph}
    for node, followers in graph.items():
        for follower in followers:
            reverse[follower].append(node)
    component: dict[Node, int] = {}
    for number, root in enumerate(reversed(order)):
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node not in component:
                component[node] = number
                waiting.extend(reverse[node])
    return component
