"""Conditions: the part of DQL that permissions and subscriptions are written in, as data.

condition_parser.py reads them from text, condition_translation.py puts them into other words.

A comparison is false when the document lacks the field (also !=) and when the value is of another type: so DQL defines
it, and so does everything that is made of a condition here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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


@dataclass(frozen=True)
class Comparison:
    """A field compared with a value, or for IN with a list: several values, or a parameter that is one."""

    path: str
    operator: Literal["=", "!=", "IN"]
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


Condition = Comparison | Every | Some | Always


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every comparison in the condition, from left to right."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Every | Some):
        for part in condition.parts:
            yield from comparisons(part)


def holds(condition: Condition, document: Mapping[str, Any]) -> bool:
    """True when a document, as its values by path, meets the condition, bound: as the server and the store find it."""
    if isinstance(condition, Always):
        return condition.holds
    if isinstance(condition, Every):
        return all(holds(part, document) for part in condition.parts)
    if isinstance(condition, Some):
        return any(holds(part, document) for part in condition.parts)
    value = document.get(condition.path)
    alike = [
        one for one in condition.values if isinstance(value, str | int | float) and bson_type(one) == bson_type(value)
    ]
    return bool(alike) and (value in alike) is not (condition.operator == "!=")


def bind(condition: Condition, given: Mapping[Parameter | Attribute, Any]) -> Condition:
    """The condition with values in the place of parameters and attributes.

    Fails closed: a comparison for which no fit value is given (none at all, null, an object) holds for no document;
    neither does one with values of several types, as in DQL.
    """
    if isinstance(condition, Every):
        return Every(tuple(bind(part, given) for part in condition.parts))
    if isinstance(condition, Some):
        return Some(tuple(bind(part, given) for part in condition.parts))
    if isinstance(condition, Always):
        return condition
    values = [given.get(value) if isinstance(value, Parameter | Attribute) else value for value in condition.values]
    if condition.operator == "IN" and not isinstance(condition.value, tuple):
        values = list(values[0]) if isinstance(values[0], Sequence) and not isinstance(values[0], str) else []
    fit = tuple(value for value in values if isinstance(value, str | int | float))
    if len({bson_type(value) for value in fit}) != 1:
        return Always(False)
    return Comparison(condition.path, condition.operator, fit if condition.operator == "IN" else fit[0])


def bson_type(value: Value) -> str:
    """The BSON type of what the value can be compared with; of a parameter, words that are no type's."""
    if isinstance(value, Parameter | Attribute):
        return f"type of {value.name}"
    return "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
