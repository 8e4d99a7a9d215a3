"""Mutations that Cosmic Ray does not have: of pipelines and queries, which are data in Python.

An operator of MongoDB is exchanged for its nearest other, an entry of a document or a stage of a list is left out,
and of two documents that are merged one is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Operator as Token
from parso.python.tree import PythonNode as Node
from parso.python.tree import String

Position = tuple[tuple[int, int], tuple[int, int]]
#: Replacements of each operator.
EXCHANGED: Final[Mapping[str, str]] = {
    "$gt": "$gte",
    "$gte": "$gt",
    "$lt": "$lte",
    "$lte": "$lt",
    "$eq": "$ne",
    "$ne": "$eq",
    "$and": "$or",
    "$or": "$and",
    "$min": "$max",
    "$max": "$min",
    "$add": "$subtract",
    "$subtract": "$add",
    "$multiply": "$divide",
    "$divide": "$multiply",
    "$floor": "$ceil",
    "$ceil": "$floor",
    "$toLower": "$toUpper",
    "$nor": "$or",
}


class ExchangeOperator(Operator):
    """`{"$gt": …}` becomes `{"$gte": …}`."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """See Cosmic Ray."""
        if isinstance(node, String) and node.value[1:-1] in EXCHANGED:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002
        """See Cosmic Ray."""
        quote = node.value[0]
        node.value = f"{quote}{EXCHANGED[node.value[1:-1]]}{quote}"
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """See Cosmic Ray."""
        return (Example('{"$gt": 1}', '{"$gte": 1}'),)


class LeaveOutEntry(Operator):
    """`{"a": 1, "$b": 2}` becomes `{"$b": 2}`, then `{"a": 1}`; lists of stages and of conditions likewise."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """See Cosmic Ray."""
        for entry in _entries(node):
            yield entry[0].start_pos, entry[-1].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """See Cosmic Ray."""
        entry = list(_entries(node))[index]
        after = node.children.index(entry[-1]) + 1
        comma = node.children[after : after + 1]
        gone = [*entry, *comma] if comma else [node.children[node.children.index(entry[0]) - 1], *entry]
        node.children = [child for child in node.children if not any(child is one for one in gone)]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """See Cosmic Ray."""
        return (
            Example('{"a": 1, "$b": 2}', '{ "$b": 2}', occurrence=0),
            Example('{"a": 1, "$b": 2}', '{"a": 1}', occurrence=1),
            Example('[{"$a": 1}, two]', "[ two]", occurrence=0),
        )


def _entries(node: Any) -> list[list[Any]]:
    """The entries of a document or list of two or more that speaks MongoDB's language, each as its tokens."""
    if not isinstance(node, Node) or node.type not in ("dictorsetmaker", "testlist_comp"):
        return []
    parent = node.parent.children[0]
    if not isinstance(parent, Token) or parent.value not in "{[" or '"$' not in node.get_code():
        return []
    entries: list[list[Any]] = [[]]
    for child in node.children:
        if child.type in ("comp_for", "sync_comp_for"):
            return []
        if child == ",":
            entries.append([])
        else:
            entries[-1].append(child)
    entries = [entry for entry in entries if entry]
    return entries if len(entries) > 1 else []


class LeaveOutMerged(Operator):
    """`a | b` becomes `a`, except in annotations."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """See Cosmic Ray."""
        if isinstance(node, Node) and node.type == "expr" and "|" in node.children and not _is_annotation(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002
        """See Cosmic Ray."""
        node.children = node.children[:1]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """See Cosmic Ray."""
        return (Example("x = {1: 2} | y", "x = {1: 2}"),)


def _is_annotation(node: Any) -> bool:
    while node.parent is not None:
        if node.parent.type == "tfpdef":
            return True
        if node.parent.type == "annassign":
            return bool(node.parent.children[1] is node)
        if node.parent.type == "funcdef" and node in node.parent.children[3:-1]:
            return True
        node = node.parent
    return False


class Provider:
    """The operators of this module, as Cosmic Ray asks for them."""

    _operators: Final = {one.__name__: one for one in (ExchangeOperator, LeaveOutEntry, LeaveOutMerged)}

    def __iter__(self) -> Iterator[str]:
        """Their names."""
        return iter(self._operators)

    def __getitem__(self, name: str) -> type[Operator]:
        """The class of that name."""
        return self._operators[name]
