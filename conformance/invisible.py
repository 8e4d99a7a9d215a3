"""Characters that nobody sees: what a name must not hold, as a regular expression for the server.

Text of every script is accepted. Some scripts need characters without a width: the joiners of Persian, of the Indic
scripts and of emoji stand after a letter or sign that they join, and the direction marks of Hebrew and Arabic stand in
text that has such letters. Elsewhere they make two names that look alike.
"""

from __future__ import annotations

import unicodedata
from typing import Final

#: Scripts whose letters a joiner (U+200C, U+200D) may follow, with the vowel signs and emoji that have no script.
_JOINED: Final = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Nko}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
    r"\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Thai}\p{Lao}\x{64B}-\x{655}"
)
_EMOJI: Final = r"\x{203C}-\x{3299}\x{FE0F}\x{1F000}-\x{1FAFF}\x{E007F}"
_RIGHT_TO_LEFT: Final = r"\p{Hebrew}\p{Arabic}\p{Syriac}\p{Thaana}\p{Nko}"
_CONTROLS: Final = r"\x{0}-\x{8}\x{B}\x{C}\x{E}-\x{1F}\x{7F}-\x{9F}"
#: Line breaks, tabs and soft hyphens; isolates, which text of two directions may need. Prose has them, a name has not.
_OF_PROSE: Final = r"\x{9}\x{A}\x{D}\x{AD}\x{2028}\x{2029}\x{2066}-\x{2069}"
#: Zero-width spaces and operators, embeddings and overrides of direction, deprecated signs.
_NEVER: Final = r"\x{180E}\x{200B}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{206A}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}"
_MARKS: Final = r"\x{61C}\x{200E}\x{200F}"
_TAGS: Final = r"\x{E0000}-\x{E007F}"
#: Letters and signs that look like a space.
_EMPTY: Final = r"\x{115F}\x{1160}\x{2800}\x{3164}\x{FFA0}"

_OUT_OF_PLACE: Final = "|".join(
    (
        rf"(?<![{_JOINED}])\x{{200C}}",
        rf"\x{{200C}}(?![{_JOINED}])",
        rf"(?<![{_JOINED}{_EMOJI}])\x{{200D}}",
        rf"(?<![\x{{1F3F4}}{_TAGS}])[{_TAGS}]",
        rf"^[^{_RIGHT_TO_LEFT}]*[{_MARKS}][^{_RIGHT_TO_LEFT}]*$",
    )
)
#: Of a name, and of text that may hold several lines.
IN_NAMES: Final = f"[{_CONTROLS}{_OF_PROSE}{_NEVER}]|{_OUT_OF_PLACE}"
IN_PROSE: Final = f"[{_CONTROLS}{_NEVER}]|{_OUT_OF_PLACE}"
#: Text without anything to see. The empty text is for minLength.
BLANK: Final = rf"^[\s\p{{Z}}\p{{Cf}}{_EMPTY}]+$"

_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
_EMPTY_LETTERS: Final = "\u115f\u1160\u2800\u3164\uffa0"


def named(text: str) -> str | None:
    """Name the characters of a text that nobody sees: "U+200B ZERO WIDTH SPACE at 5". None when there are none."""
    if all(sign.isspace() or sign in _EMPTY_LETTERS for sign in text):
        return "nothing that can be seen"
    found = [
        f"U+{ord(sign):04X} {unicodedata.name(sign, 'CONTROL CHARACTER')} at {position}"
        for position, sign in enumerate(text)
        if unicodedata.category(sign) in _CATEGORIES
    ]
    return ", ".join(found[:3]) + (", …" if len(found) > 3 else "") if found else None
