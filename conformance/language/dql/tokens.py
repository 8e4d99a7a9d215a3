"""The tokens of Ditto's query language, DQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"(?P<space>\s+|--[^\n]*|/\*.*?\*/)"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<parameter>:[A-Za-z_]\w*)"
    r"|(?P<name>`(?:[^`]|``)+`)"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign>==|!=|<>|<=|>=|\|\||[=<>(),.*\[\]{}:+\-/%])",
    re.DOTALL,
)


class Token(NamedTuple):
    """A token: its kind (text, number, parameter, name, word, sign or end), its text, and where it begins."""

    kind: str
    text: str
    position: int

    def is_word(self, *words: str) -> bool:
        """Return whether it is one of the words, in any case, or one of the signs."""
        return self.kind in ("word", "sign") and self.text.upper() in words


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a statement, then one of kind ``end``; ValueError for a character that begins none."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"found {text[position:][:20]!r}, which is not part of DQL; correct it")
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match[0], position)
        position = match.end()
    yield Token("end", "the end", len(text))


def unquoted(token: Token) -> str:
    """Return the name or string that a token stands for, without its quotes."""
    if token.kind == "name":
        return token.text[1:-1].replace("``", "`")
    return re.sub(r"\\(.)", r"\1", token.text[1:-1]) if token.kind == "text" else token.text


def parameters_in(text: str) -> list[str]:
    """Return the names of the parameters in a statement, each once, also where it is not valid."""
    found: dict[str, None] = {}
    with suppress(ValueError):  # keep those before the text that is no token
        for token in tokens(text):
            if token.kind == "parameter":
                found[token.text[1:]] = None
    return list(found)
