"""Conditions that permissions and subscriptions are written in, as data.

parser.py reads those of permissions from text, from_dql.py those of subscriptions; translation.py puts them into
other words.

A comparison is false when the document lacks the field (also !=) and when the value is of another type: so DQL defines
it, and so does everything that is made of a condition here. Only the tests for null and missing are always true or
false.
"""

from __future__ import annotations

import operator as operators
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from conformance.language.dql.syntax import Expression

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Parameter:
    """``:name``, a value that the app gives."""

    name: str


@dataclass(frozen=True)
class Attribute:
    """``$user.name``, a value that belongs to the user who signed in."""

    name: str


Value = Scalar | Parameter | Attribute
Equality = Literal["=", "!=", "IN"]
Order = Literal["<", "<=", ">", ">="]
Likeness = Literal["LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"]
Presence = Literal["IS NULL", "IS NOT NULL", "IS MISSING", "IS NOT MISSING"]
Operator = Equality | Order | Likeness | Presence


@dataclass(frozen=True)
class Comparison:
    """A field compared with a value, or for IN with a list: several values, or a parameter that is one.

    The tests for null and missing have an empty tuple as value.
    """

    path: str
    operator: Operator
    value: Value | tuple[Value, ...]

    @property
    def values(self) -> tuple[Value, ...]:
        """The value, or those of the list."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


@dataclass(frozen=True)
class Every:
    """All of the parts hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    """At least one of the parts holds; of no parts, none does."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Always:
    """Every document meets it, or none."""

    holds: bool


@dataclass(frozen=True)
class Computed:
    """A test that compares more than a field with a value, such as two fields or a function of one.

    Only Ditto's engine can evaluate it: it has no form in MongoDB's words here.
    """

    test: Expression


Condition = Comparison | Every | Some | Always | Computed


_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every comparison in the condition, from left to right."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Every | Some):
        for part in condition.parts:
            yield from comparisons(part)


def is_computed(condition: Condition) -> bool:
    """Return whether only the engine can evaluate a part of the condition."""
    if isinstance(condition, Every | Some):
        return any(is_computed(part) for part in condition.parts)
    return isinstance(condition, Computed)


def holds(condition: Condition, document: Mapping[str, Any]) -> bool:
    """Return True if a document (values by path) satisfies the bound condition, as server and store evaluate it.

    None stands for a field that is absent. A test that only the engine can evaluate is taken to hold.
    """
    if isinstance(condition, Always):
        return condition.holds
    if isinstance(condition, Every):
        return all(holds(part, document) for part in condition.parts)
    if isinstance(condition, Some):
        return any(holds(part, document) for part in condition.parts)
    return isinstance(condition, Computed) or _compares(condition, document.get(condition.path))


def _compares(comparison: Comparison, value: Any) -> bool:
    operator = comparison.operator
    if operator.startswith("IS"):
        return operator in (("IS MISSING", "IS NOT NULL") if value is None else ("IS NOT MISSING", "IS NOT NULL"))
    alike = [
        one for one in comparison.values if isinstance(value, str | int | float) and bson_type(one) == bson_type(value)
    ]
    if not alike:
        return False
    if operator in ("=", "!=", "IN"):
        return (value in alike) is not (operator == "!=")
    if operator in _ORDERED:
        return _ORDERED[operator](value, alike[0])
    matches = like(str(alike[0]), any_case="ILIKE" in operator).fullmatch(str(value)) is not None
    return matches is not operator.startswith("NOT")


def like(pattern: str, *, any_case: bool = False) -> re.Pattern[str]:
    """Return a pattern of LIKE as a regular expression: % is any text, _ any character."""
    text = "".join({"%": ".*", "_": "."}.get(one, re.escape(one)) for one in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if any_case else 0))


def bind(condition: Condition, given: Mapping[Parameter | Attribute, Any]) -> Condition:
    """Return the condition with values in the place of parameters and attributes.

    Fails closed: a comparison for which no fit value is given (none at all, null, an object) holds for no document;
    neither does one with values of several types, as in DQL.
    """
    if isinstance(condition, Every):
        return Every(tuple(bind(part, given) for part in condition.parts))
    if isinstance(condition, Some):
        return Some(tuple(bind(part, given) for part in condition.parts))
    if isinstance(condition, Always | Computed) or condition.value == ():
        return condition
    values = [given.get(value) if isinstance(value, Parameter | Attribute) else value for value in condition.values]
    if condition.operator == "IN" and not isinstance(condition.value, tuple):
        values = list(values[0]) if isinstance(values[0], Sequence) and not isinstance(values[0], str) else []
    fit = tuple(value for value in values if isinstance(value, str | int | float))
    if len({bson_type(value) for value in fit}) != 1:
        return Always(False)
    return Comparison(condition.path, condition.operator, fit if condition.operator == "IN" else fit[0])


def bson_type(value: Value) -> str:
    """Return the BSON type of what the value can be compared with; of a parameter, words that are no type's."""
    if isinstance(value, Parameter | Attribute):
        return f"type of {value.name}"
    return "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
