"""Patterns that ECMA, Python and PCRE read alike: what the schemas' regular expressions may be made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    for part in TOKEN.findall(body):
        yield from _objection(part, before, depth)
        depth += {"(": 1, ")": -1}.get(part, 0)
        before = part


def _objection(part: str, before: str, depth: int) -> Iterator[str]:
    """Against one part; ``before`` is the one to its left, ``depth`` how many groups are open."""
    if part == "\\":
        yield "its end is escaped, so it is not anchored; write \\\\ for a backslash"
    elif part.startswith("\\"):
        if part[1] not in _ESCAPED:
            yield f"{part} is read differently; write the characters themselves, such as [0-9]"
    elif part.startswith("["):
        yield from _class(part)
    elif part == "(?":
        yield "(? begins look-around or an option; write it without"
    elif part.startswith("{") and not _COUNT.match(part):
        yield f"{part} is read differently; write {{n}}, {{n,}} or {{n,m}}, or \\{{ for the brace"
    elif part in ("}", "]"):
        yield f"a lone {part} is read differently; write \\{part}"
    elif part == ".":
        yield "the dot matches different characters in each engine; write a character class, such as [ -~]"
    elif part in ("^", "$"):
        yield f"{part} inside the pattern is read differently; write \\{part} for the character"
    elif part == "|" and depth == 0:
        yield "its alternatives are not each anchored; put them in parentheses"
    elif part == "+" and before[-1:] in ("*", "+", "?", "}") and not before.startswith("\\"):
        yield "a possessive repetition is not read by all; write it without the second +"


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
