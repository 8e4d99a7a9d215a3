"""Conditions: the part of DQL that permissions and subscriptions are written in, read once and put into other words.

    condition   either (OR either)*
    either      single (AND single)*
    single      (condition) | TRUE | FALSE | field = value | field != value | field IN list
    value       'text', a number, TRUE, FALSE, :parameter, $user.attribute
    list        :parameter, or (value, value, ...)

A field that a document lacks meets no comparison, != included, and neither does a value of another type: so DQL has
it, and so does what is made of it here. What DQL cannot do (a subquery) or does not do as it reads (IN (:list) finds
nothing) is refused with what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

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

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<parameter>:[A-Za-z_]\w*)"
    r"|(?P<attribute>\$user\.[A-Za-z_]\w*)"
    r"|(?P<word>(?:`[^`]+`|[A-Za-z_]\w*)(?:\.(?:`[^`]+`|[A-Za-z_]\w*))*)"
    r"|(?P<sign>==|!=|<>|<=|>=|[=<>(),;*]))"
)
_SAME: Final = {"==": "=", "<>": "!="}
_REFUSED: Final[Mapping[str, str]] = {
    "SELECT": "DQL has no subquery (IN (SELECT ...)); keep the key in the document itself and compare that, or write"
    " IN :list and give the values as a parameter",
    "NOT": "NOT is not for conditions here; write !=, or say what is wanted",
    "NULL": "nothing equals NULL; a field that is absent meets no test",
    "LIKE": "LIKE is not for conditions here; compare a field with =, != or IN",
    "BETWEEN": "BETWEEN is not for conditions here; compare a field with =, != or IN",
    "IS": "IS is not for conditions here; compare a field with =, != or IN",
    **dict.fromkeys(
        ("JOIN", "INNER", "LEFT", "AS", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET"),
        "no JOIN, alias, GROUP BY, ORDER BY, LIMIT or OFFSET here, which Ditto does not take: leave it to the query on"
        " the device, and write a condition only",
    ),
}


@cache
def parse(text: str) -> Condition:
    """The condition that a text says; ValueError, one line with what to write instead, when it is none."""
    return Reader(text).whole()


class Reader:
    """Reads a text of DQL from left to right; a statement's reader takes its own words first."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0

    def peek(self) -> tuple[str, str]:
        """Kind and text of the next token; ``("end", "the end")`` after the last."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ("end", "the end")

    def take(self) -> tuple[str, str]:
        """The next token, which is then behind."""
        token = self.peek()
        self._position += 1
        return token

    def word(self, *words: str) -> bool:
        """Take the next token if it is one of the words, in whatever case."""
        kind, text = self.peek()
        if kind in ("word", "sign") and text.upper() in words:
            self._position += 1
            return True
        return False

    def whole(self) -> Condition:
        """The condition up to the end of the text."""
        condition = self._condition()
        if self.peek()[0] != "end":
            raise unexpected(self.peek()[1], "AND, OR or the end")
        return condition

    def _condition(self) -> Condition:
        parts = [self._either()]
        while self.word("OR"):
            parts.append(self._either())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _either(self) -> Condition:
        parts = [self._single()]
        while self.word("AND"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _single(self) -> Condition:
        if self.word("("):
            inner = self._condition()
            if not self.word(")"):
                raise unexpected(self.peek()[1], "a closing parenthesis")
            return inner
        kind, text = self.take()
        if kind != "word" or text.upper() in ("NOT", "SELECT"):
            raise unexpected(text, "a field")
        if text.upper() in ("TRUE", "FALSE"):
            return Always(text.upper() == "TRUE")
        return self._test(text.replace("`", ""))

    def _test(self, path: str) -> Comparison:
        if self.word("IN"):
            return Comparison(path, "IN", self._list())
        sign = self.take()[1]
        operator = _SAME.get(sign, sign)
        if operator not in ("=", "!="):
            raise unexpected(sign, "=, != or IN")
        return Comparison(path, "=" if operator == "=" else "!=", self._value())

    def _list(self) -> Value | tuple[Value, ...]:
        if not self.word("("):
            value = self._value()
            if not isinstance(value, Parameter):
                raise ValueError("IN takes a list: write IN :list, or the values in parentheses")
            return value
        values = [self._value()]
        while self.word(","):
            values.append(self._value())
        if not self.word(")"):
            raise unexpected(self.peek()[1], "a closing parenthesis")
        names = [value.name for value in values if isinstance(value, Parameter)]
        if names:
            raise ValueError(f"IN (:{names[0]}) finds nothing in DQL; write IN :{names[0]} and give a list")
        if len({_type(value) for value in values if not isinstance(value, Attribute)}) > 1:
            raise ValueError("IN with values of several types finds nothing in DQL; write values of one type")
        return tuple(values)

    def _value(self) -> Value:
        kind, text = self.take()
        if kind == "word" and text.upper() in ("TRUE", "FALSE"):
            return text.upper() == "TRUE"
        make = _VALUES.get(kind)
        if make is None:
            raise unexpected(text, "a value")
        made: Value = make(text)
        return made


_VALUES: Final[Mapping[str, Any]] = {
    "text": lambda text: re.sub(r"\\(.)", r"\1", text[1:-1]),
    "number": json.loads,
    "parameter": lambda text: Parameter(text[1:]),
    "attribute": lambda text: Attribute(text.removeprefix("$user.")),
}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"{text[position:].strip()[:20]!r} is no part of a condition; correct it")
        yield str(match.lastgroup), match[str(match.lastgroup)]
        position = match.end()


def scan(text: str) -> list[tuple[str, str]]:
    """Kind and text of the tokens in a text of any DQL; what is no token here is passed over."""
    return [(str(match.lastgroup), match[str(match.lastgroup)]) for match in _TOKEN.finditer(text)]


def literal(kind: str, text: str) -> Scalar | None:
    """The value that a token is; None for one that is none, or not known yet."""
    if kind == "word" and text.upper() in ("TRUE", "FALSE"):
        return text.upper() == "TRUE"
    made: Scalar | None = _VALUES[kind](text) if kind in ("text", "number") else None
    return made


def unexpected(found: str, wanted: str) -> ValueError:
    """What to raise for a token that does not belong where it stands."""
    refused = _REFUSED.get(found.upper())
    return ValueError(refused or f"found {found} where {wanted} should be; correct the condition")


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
    alike = [one for one in condition.values if isinstance(value, str | int | float) and _type(one) == _type(value)]
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
    if len({_type(value) for value in fit}) != 1:
        return Always(False)
    return Comparison(condition.path, condition.operator, fit if condition.operator == "IN" else fit[0])


def to_mongo(condition: Condition) -> dict[str, Any]:
    """The condition as a filter of MongoDB's; a parameter that is not bound stands as $$name, as in queries.yaml."""
    if isinstance(condition, Every):
        parts = [to_mongo(part) for part in condition.parts]
        keys = [key for part in parts for key in part]
        apart = len(set(keys)) == len(keys) and not any(key.startswith("$") for key in keys)
        return {key: value for part in parts for key, value in part.items()} if apart else {"$and": parts}
    if isinstance(condition, Some) and condition.parts:
        return {"$or": [to_mongo(part) for part in condition.parts]}
    if isinstance(condition, Comparison):
        words = [_word(value) for value in condition.values]
        if condition.operator == "!=":
            return {condition.path: {"$ne": words[0], "$type": _type(condition.values[0])}}
        given = words if isinstance(condition.value, tuple) else words[0]
        return {condition.path: {"$in": given} if condition.operator == "IN" else given}
    return {} if isinstance(condition, Always) and condition.holds else {"_id": {"$in": []}}


def _type(value: Value) -> str:
    """The BSON type of what the value can be compared with; of a parameter, words that are no type's."""
    if isinstance(value, Parameter | Attribute):
        return f"type of {value.name}"
    return "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def _word(value: Value) -> Scalar:
    if isinstance(value, Parameter | Attribute):
        return f"$${value.name}" if isinstance(value, Parameter) else f"$$user.{value.name}"
    return value


def to_dql(condition: Condition) -> tuple[str, dict[str, Any]]:
    """The condition, bound, as DQL with its arguments: values never stand in the text.

    A list is asked by array_contains: IN drops a document whose field is of another type than the list, whatever the
    rest of the condition says.
    """
    arguments: dict[str, Any] = {}

    def said(part: Condition) -> str:
        if isinstance(part, Comparison):
            name = f"value_{len(arguments)}"
            arguments[name] = list(part.values) if part.operator == "IN" else part.value
            path = quoted(part.path)
            return f"array_contains(:{name}, {path})" if part.operator == "IN" else f"{path} {part.operator} :{name}"
        if isinstance(part, Always) or not part.parts:
            return "true" if isinstance(part, Every) or (isinstance(part, Always) and part.holds) else "false"
        joined = " AND " if isinstance(part, Every) else " OR "
        return "(" + joined.join(said(inner) for inner in part.parts) + ")"

    return said(condition), arguments


def quoted(path: str) -> str:
    """A dotted path as it stands in DQL, where any name may be a keyword."""
    return ".".join(f"`{name}`" for name in path.split("."))
