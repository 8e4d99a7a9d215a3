"""Which fields a query in any DQL names: a look at its words, for a reading of all of DQL is the engine's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from conformance.language.condition_parser import literal, scan
from conformance.language.conditions import Scalar

#: Words of DQL that are no field's, unless in back quotes.
_KEYWORD: Final = re.compile(
    "ALL|AND|ANY|AS|ASC|BETWEEN|BY|CASE|COLLECTION|CONTAINS|DESC|DISTINCT|ELSE|END|ESCAPE|EVERY|EXISTS|FALSE|FIRST|FROM"
    "|GROUP|HAVING|ILIKE|IN|IS|LAST|LIKE|LIMIT|MISSING|NOT|NULL|NULLS|OFFSET|OR|ORDER|SATISFIES|SELECT|THEN|TRUE|USE"
    "|VALUE|WHEN|WHERE|WITH|XOR",
    re.IGNORECASE,
)
_EQUALITY: Final = ("=", "==", "!=", "<>")

Token = tuple[str, str]


def fields_named(query: str) -> Mapping[str, Sequence[Scalar]]:
    """The fields that a query names, by path, each with the values it is compared with by =, != or IN.

    Names of collections and functions, and what AS or FROM calls by a new name, are no fields.
    """
    tokens = [*scan(query), ("end", ""), ("end", "")]
    renamed = _renamed(tokens)
    found: dict[str, list[Scalar]] = {}
    for position, (kind, text) in enumerate(tokens):
        if kind != "word" or _KEYWORD.fullmatch(text) or tokens[position + 1][1] == "(":
            continue
        path = text.replace("`", "")
        head, _, rest = path.partition(".")
        path = rest if head in renamed else path
        if path:
            found.setdefault(path, []).extend(_compared(tokens[position + 1 :]))
    return found


def _renamed(tokens: Sequence[Token]) -> set[str]:
    """The collection's name, and names that the query itself gives."""
    words = [text.upper() if kind == "word" else "" for kind, text in tokens]
    return {
        text.replace("`", "")
        for position, (kind, text) in enumerate(tokens)
        if kind == "word" and not _KEYWORD.fullmatch(text)
        and (words[position - 1] in ("FROM", "AS") or words[position - 2] == "FROM")
    }  # fmt: skip


def _compared(after: Sequence[Token]) -> list[Scalar]:
    """The values that stand after a field and are compared with it."""
    sign = after[0][1].upper()
    if sign == "IN" and after[1][1] == "(":
        listed = after[2 : next(n for n, (kind, text) in enumerate(after) if text == ")" or kind == "end")]
        return [value for token in listed if (value := literal(*token)) is not None]
    value = literal(*after[1]) if sign in _EQUALITY else None
    return [] if value is None else [value]
