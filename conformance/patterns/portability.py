"""Patterns that ECMA, Python and PCRE read alike: what the schemas' regular expressions may be made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from conformance.patterns.automaton import TOKEN
from conformance.patterns.backtracking import explodes

_ESCAPED: Final = frozenset("^$\\.*+?()[]{}|/nrtf")
_COUNT: Final = re.compile(r"\{[0-9]+(,[0-9]*)?\}\Z")
_SET_OPERATORS: Final = ("--", "&&", "||", "~~")


def unportable(pattern: str) -> str | None:
    """Return why the engines would read the pattern differently, not at all or for too long; None if they agree.

    An anchored pattern without look-around, back-references, inline options, possessive repetition and class escapes
    is left, and without the dot, which stands for other characters in each of the three.
    """
    if not pattern.startswith("^") or not pattern.endswith("$") or len(pattern) < 2:
        return "it is not anchored; write ^...$"
    reason = next(_objections(pattern[1:-1]), None)
    if reason is not None:
        return reason
    try:
        re.compile(pattern)
    except re.error as error:
        return f"it is not a valid regular expression: {error}"
    return explodes(pattern)


def _objections(body: str) -> Iterator[str]:
    depth, before = 0, ""
    for text in TOKEN.findall(body):
        yield from _objection(_Token(text, before, depth))
        depth += {"(": 1, ")": -1}.get(text, 0)
        before = text


@dataclass(frozen=True)
class _Token:
    """A part of a pattern; ``before`` is the one to its left, ``depth`` how many groups are open."""

    text: str
    before: str
    depth: int

    @property
    def is_possessive(self) -> bool:
        """True if it is a second repetition right after one."""
        repeated = self.before[-1:] in ("*", "+", "?", "}") and not self.before.startswith("\\")
        return self.text == "+" and repeated


#: By the kind of part that engines read differently, what to say of it.
_OBJECTIONS: Final[tuple[tuple[Callable[[_Token], bool], str], ...]] = (
    (lambda one: one.text == "\\", "its end is escaped, so it is not anchored; write \\\\ for a backslash"),
    (
        lambda one: one.text.startswith("\\") and one.text[1:] not in _ESCAPED,
        "{} is read differently; write the characters themselves, such as [0-9]",
    ),
    (lambda one: one.text == "(?", "(? begins look-around or an option; write it without"),
    (
        lambda one: one.text.startswith("{") and not _COUNT.match(one.text),
        "{} is read differently; write {{n}}, {{n,}} or {{n,m}}, or \\{{ for the brace",
    ),
    (lambda one: one.text in ("}", "]"), "a lone {0} is read differently; write \\{0}"),
    (
        lambda one: one.text == ".",
        "the dot matches different characters in each engine; write a character class, such as [ -~]",
    ),
    (
        lambda one: one.text in ("^", "$"),
        "{0} inside the pattern is read differently; write \\{0} for the character",
    ),
    (
        lambda one: one.text == "|" and one.depth == 0,
        "its alternatives are not each anchored; put them in parentheses",
    ),
    (
        lambda one: one.is_possessive,
        "a possessive repetition is not read by all; write it without the second +",
    ),
)


def _objection(token: _Token) -> Iterator[str]:
    if token.text.startswith("["):
        yield from _class(token.text)
    for objects, message in _OBJECTIONS:
        if objects(token):
            yield message.format(token.text)
            return


def _class(part: str) -> Iterator[str]:
    inner = part.removeprefix("[").removeprefix("^").removesuffix("]")
    if not part.endswith("]") or part.endswith("\\]"):
        yield f"the class {part} is not closed"
    elif not inner:
        yield f"{part} is read differently; write \\] for the bracket"
    for escape in re.findall(r"\\(.)", inner, re.DOTALL):
        if escape not in _ESCAPED | {"-"}:
            yield f"\\{escape} is read differently; write the characters themselves, such as 0-9"
    plain = re.sub(r"\\.", "\\\\", inner, flags=re.DOTALL)
    if "[" in plain:
        yield "[ inside a class is read differently; write \\["
    for operator in _SET_OPERATORS:
        if operator in plain:
            yield f"{operator} inside a class is read differently; write the character once"
