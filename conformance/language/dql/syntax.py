"""The syntax tree of DQL statements. expressions.py, select.py and parser.py read it from text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Constant:
    """A value that is written out; None for NULL."""

    value: Any


@dataclass(frozen=True)
class Placeholder:
    """``:name``, a value that the app gives."""

    name: str


@dataclass(frozen=True)
class Path:
    """A name, or names joined by dots: the first may be a collection's or an alias."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True)
class Call:
    """A function with its arguments; its name is in lower case."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Operation:
    """An operator with its operands, such as ``=``, ``AND``, ``IS NULL``, ``CASE``, ``[]`` (a list or an index)."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True)
class Quantified:
    """``ANY name IN list SATISFIES condition END``: in the condition, the name is an item of the list."""

    name: str
    items: Expression
    condition: Expression


Expression = Constant | Placeholder | Path | Call | Operation | Quantified


@dataclass(frozen=True)
class Source:
    """A collection that a statement reads: ``FROM collection AS alias``, or joined to those before it."""

    collection: str
    alias: str
    join: Literal["", "INNER", "LEFT", "RIGHT"] = ""
    condition: Expression | None = None


@dataclass(frozen=True)
class Projected:
    """One item of a SELECT: an expression and its alias, ``*``, or ``alias.*``."""

    expression: Expression | None
    alias: str | None = None
    star: str | None = None

    @property
    def term(self) -> str | None:
        """The key of its value in a row; None where it has no fixed one."""
        if self.alias is None and isinstance(self.expression, Path):
            return self.expression.parts[-1]
        return self.alias


@dataclass(frozen=True)
class Statement:
    """One statement. ``verb`` is its first word, after the ``prefix`` EXPLAIN, PROFILE or ADVISE.

    ``uses`` are the words after USE; ``assigned`` are the fields and values of SET, UNSET, APPLY, CREATE INDEX, and the
    documents of an INSERT.
    """

    verb: str
    sources: tuple[Source, ...] = ()
    where: Expression | None = None
    distinct: bool = False
    projected: tuple[Projected, ...] = ()
    group: tuple[Expression, ...] = ()
    having: Expression | None = None
    order: tuple[Expression, ...] = ()
    limit: Expression | None = None
    offset: Expression | None = None
    uses: tuple[str, ...] = ()
    assigned: tuple[Expression, ...] = ()
    prefix: str = ""

    @property
    def expressions(self) -> Iterator[Expression]:
        """Every expression of the statement, in the order of the text."""
        for one in self.projected:
            if one.expression is not None:
                yield one.expression
        yield from self.assigned
        yield from (source.condition for source in self.sources if source.condition is not None)
        single = (self.where, *self.group, self.having, *self.order, self.limit, self.offset)
        yield from (one for one in single if one is not None)


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield the expression and everything in it."""
    yield expression
    for inner in children(expression):
        yield from walk(inner)


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the parts of an expression."""
    if isinstance(expression, Call):
        return expression.arguments
    if isinstance(expression, Operation):
        return expression.operands
    return (expression.items, expression.condition) if isinstance(expression, Quantified) else ()
