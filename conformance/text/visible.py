"""Text from the data made safe to look at: nothing invisible, nothing that steers a terminal, nothing endless."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: A piece of code in the text of a rule, between backticks.
CODE: Final = re.compile(r"`([^`\n]+)`")

_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
#: Zero-width space, byte-order mark, and the marks that reorder what is read.
_HIDDEN: Final = frozenset("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def visible(text: str, limit: int = 300) -> str:
    r"""Return the shortened text with control, bidirectional and surrogate characters as escapes (``\u202e``).

    Longer than ``limit`` characters, it keeps its beginning and end around how much is left out. Words in scripts
    written from right to left stay as they are; no text at all is shown as ``""``.
    """
    if not text:
        return '""'
    if len(text) > limit:
        head, tail = limit * 3 // 4, limit // 4
        text = f"{text[:head]} […{len(text) - head - tail:,} characters left out…] {text[-tail:]}"
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in _HIDDEN or unicodedata.category(character) in _HIDDEN_CATEGORIES:
        return f"\\u{ord(character):04x}"
    return character
