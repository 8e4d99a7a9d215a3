"""Checks of DQL statements on values that a device stores as Extended JSON, where numbers are strings.

Tried on SDK 5.2.0.dev0: ``total > 100`` and ``total = 100`` find nothing, ``sum(total)`` is empty, ORDER BY keeps no
order, and the text in the object sorts as text. ``CAST(total.`$numberDouble` AS FLOAT)`` has the number. An object that
is compared with an equal object is found, and IS NULL, count() and GROUP BY work as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from conformance.language.dql.fields import EQUALITY, field_of
from conformance.language.dql.syntax import (
    Call,
    Constant,
    Expression,
    Operation,
    Path,
    Placeholder,
    Statement,
    children,
)

_ORDERING: Final = frozenset({"<", "<=", ">", ">=", "BETWEEN", "LIKE", "ILIKE"})
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%", "||"})
#: Functions whose result does not depend on what the value is, or that give it back as it is.
_NEUTRAL: Final = frozenset(
    {"count", "coalesce", "ifmissing", "ifmissingornull", "ifnull", "ismissing", "isnull", "json_type", "nvl", "type"}
)


@dataclass(frozen=True)
class Misuse:
    """A field that is an object on devices, and what a statement does with it."""

    collection: str
    path: str
    what: str


def form_of(path: str) -> tuple[str, str]:
    """Return the field of a path, and what of its form in Extended JSON the path names: "" for the whole object."""
    parts = path.split(".")
    end = next((position for position, part in enumerate(parts) if part.startswith("$")), len(parts))
    return ".".join(parts[:end]), ".".join(parts[end:])


def misuses(
    statement: Statement, is_object: Callable[[str, str], bool], is_plain: Callable[[str], bool]
) -> Iterator[Misuse]:
    """Yield what a statement does with objects that stand for values, each once.

    ``is_object`` tells of collection and field whether devices hold an object; ``is_plain`` tells of a parameter
    whether its value is not one.
    """
    reader = _Reader(statement, is_object, is_plain)
    found: dict[Misuse, None] = {}
    for expression in statement.expressions:
        ordered = any(expression is one for one in statement.order)
        found |= dict.fromkeys(reader.read(expression, "sorts by it" if ordered else ""))
    yield from found


@dataclass(frozen=True)
class _Reader:
    statement: Statement
    is_object: Callable[[str, str], bool]
    is_plain: Callable[[str], bool]

    def read(self, expression: Expression, what: str) -> Iterator[Misuse]:
        """Yield the misuses in an expression; ``what`` is done with its value, "" for nothing that matters."""
        if isinstance(expression, Path):
            yield from self._path(expression, what)
            return
        for inner in children(expression):
            yield from self.read(inner, self._done(expression, what))

    def _done(self, expression: Expression, what: str) -> str:
        """Return what an expression does with its parts."""
        if isinstance(expression, Call):
            return what if expression.name in _NEUTRAL else f"computes {expression.name}()"
        if not isinstance(expression, Operation):
            return ""
        operator = expression.operator
        if operator in _ORDERING:
            return f"compares it ({operator})"
        if operator in EQUALITY:
            return f"compares it with a plain value ({operator})" if self._any_plain(expression.operands) else ""
        if operator in _ARITHMETIC:
            return f"computes with it ({operator})"
        if operator == "CAST":
            return "casts the object"
        return what if operator in ("()", "CASE") else ""

    def _any_plain(self, operands: Sequence[Expression]) -> bool:
        """Return whether a value that is no object is among what is compared."""
        for one in operands:
            if isinstance(one, Constant) and one.value is not None:
                return True
            if isinstance(one, Placeholder) and self.is_plain(one.name):
                return True
            if isinstance(one, Operation) and one.operator in ("()", "[]") and self._any_plain(one.operands):
                return True
        return False

    def _path(self, path: Path, what: str) -> Iterator[Misuse]:
        named = field_of(self.statement, path)
        if named is None or not what:
            return
        collection, dotted = named
        field, form = form_of(dotted)
        compared_as_text = form and (what == "casts the object" or what.startswith("compares it with a plain value"))
        if not compared_as_text and self.is_object(collection, field):
            yield Misuse(collection, dotted, what)
