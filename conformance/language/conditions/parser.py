"""Reading a condition: from the text of DQL to the parts of condition.py.

    condition   either (OR either)*
    either      single (AND single)*
    single      (condition) | TRUE | FALSE | field = value | field != value | field IN list
    value       'text', a number, TRUE, FALSE, :parameter, $user.attribute
    list        :parameter, or (value, value, ...)

Subqueries, which DQL lacks, and constructs that do not do what they say (IN (:list) finds nothing) are refused with
what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from conformance.language.conditions.condition import (
    Always,
    Attribute,
    Comparison,
    Condition,
    Every,
    Parameter,
    Some,
    Value,
    bson_type,
)

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
    "NOT": "NOT is not supported; use != or list the allowed values",
    "NULL": "NULL is not supported; a comparison with an absent field is never true",
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
    """Return the condition that a text says; ValueError, one line with what to write instead, when it is none."""
    return Reader(text).whole()


class Reader:
    """Reads a text of DQL from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0

    def peek(self) -> tuple[str, str]:
        """Kind and text of the next token; ``("end", "the end")`` after the last."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ("end", "the end")

    def take(self) -> tuple[str, str]:
        """Return the next token, which is then behind."""
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
        """Return the condition up to the end of the text."""
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
                raise ValueError("IN needs a list; write IN :list, or the values in parentheses")
            return value
        values = [self._value()]
        while self.word(","):
            values.append(self._value())
        if not self.word(")"):
            raise unexpected(self.peek()[1], "a closing parenthesis")
        names = [value.name for value in values if isinstance(value, Parameter)]
        if names:
            raise ValueError(f"IN (:{names[0]}) finds nothing in DQL; write IN :{names[0]} and give a list")
        if len({bson_type(value) for value in values if not isinstance(value, Attribute)}) > 1:
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
            raise ValueError(f"{text[position:].strip()[:20]!r} is not part of a condition; correct it")
        yield str(match.lastgroup), match[str(match.lastgroup)]
        position = match.end()


def unexpected(found: str, wanted: str) -> ValueError:
    """Return what to raise for a token that does not belong where it stands."""
    refused = _REFUSED.get(found.upper())
    return ValueError(refused or f"found {found}; expected {wanted}; correct the condition")
