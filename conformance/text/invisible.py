"""Invisible and replacement characters, which a name must not hold, as patterns for the server.

Text of every script is accepted. Some scripts need characters without a width: the joiners of Persian, of the Indic
scripts and of emoji stand after a letter or sign that they join, the direction marks of Hebrew and Arabic in text that
has such letters, the spaces of Khmer between its words, and variation selectors after what has variations. Elsewhere
they make two names that look alike.
"""

from __future__ import annotations

import unicodedata
from typing import Final

#: Scripts whose letters a joiner (U+200C, U+200D) may follow, with the vowel signs and emoji that have no script.
_JOINED: Final = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Nko}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
    r"\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Thai}\p{Lao}\p{Javanese}"
    r"\p{Balinese}\p{Sundanese}\p{Limbu}\p{Meetei_Mayek}\p{Tai_Tham}\p{Phags_Pa}\p{Mandaic}\x{10A00}-\x{10AFF}"
    r"\x{11000}-\x{11FFF}\x{1E900}-\x{1E95F}\x{64B}-\x{655}\x{951}-\x{954}\x{1CD0}-\x{1CFF}"
)
#: Signs that take a letter's vowel: a non-joiner after one keeps it visible at the end of a word, too.
_VIRAMAS: Final = r"\x{94D}\x{9CD}\x{A4D}\x{ACD}\x{B4D}\x{BCD}\x{C4D}\x{CCD}\x{D4D}\x{DCA}"
_EMOJI: Final = r"\x{203C}-\x{3299}\x{FE0F}\x{1F000}-\x{1FAFF}\x{E007F}"
_RIGHT_TO_LEFT: Final = r"\p{Hebrew}\p{Arabic}\p{Syriac}\p{Thaana}\p{Nko}\p{Mandaic}\x{1E900}-\x{1E95F}"
#: Scripts without spaces between words: a zero-width space says where a line may break.
_UNSPACED: Final = r"\p{Khmer}\p{Lao}\p{Myanmar}\p{Thai}"
_CONTROLS: Final = r"\x{0}-\x{8}\x{B}\x{C}\x{E}-\x{1F}\x{7F}-\x{9F}"
#: Line breaks, tabs and soft hyphens; isolates, which text of two directions may need. Prose has them, a name has not.
_OF_PROSE: Final = r"\x{9}\x{A}\x{D}\x{AD}\x{2028}\x{2029}\x{2066}-\x{2069}"
#: Zero-width operators, embeddings and overrides of direction, deprecated signs, controls of notations.
_NEVER: Final = (
    r"\x{17B4}\x{17B5}\x{202A}-\x{202E}\x{2060}-\x{2065}\x{206A}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}"
    r"\x{1BCA0}-\x{1BCA3}\x{1D173}-\x{1D17A}"
)
#: U+FFFD, which a conversion writes for a letter that it could not read, and Unicode's noncharacters.
_LOST: Final = r"\x{FFFD}\x{FDD0}-\x{FDEF}" + "".join(
    rf"\x{{{plane:X}FFFE}}\x{{{plane:X}FFFF}}" for plane in range(0x11)
)
_MARKS: Final = r"\x{61C}\x{200E}\x{200F}"
_TAGS: Final = r"\x{E0000}-\x{E007F}"
_VARIATIONS: Final = r"\x{180B}-\x{180D}\x{180F}\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}"
#: Characters without variations: ASCII except the signs of key caps, and letters of these scripts.
_WITHOUT_VARIATIONS: Final = r"\x{0}-\x{22}\x{24}-\x{29}\x{2B}-\x{2F}\x{3A}-\x{7F}\p{Latin}\p{Greek}\p{Cyrillic}"
#: Letters that look like a space, and those beside which they may stand: old Hangul, and Braille.
_FILLERS: Final = r"\x{115F}\x{1160}\x{3164}\x{FFA0}"
_HANGUL: Final = (
    r"\x{1100}-\x{115E}\x{1161}-\x{11FF}\x{3131}-\x{3163}\x{3165}-\x{318E}\x{A960}-\x{A97C}\x{AC00}-\x{D7FB}"
)
_EMPTY: Final = rf"{_FILLERS}\x{{2800}}"

_OUT_OF_PLACE: Final = "|".join(
    (
        rf"(?<![{_JOINED}])\x{{200C}}",
        rf"(?<![{_VIRAMAS}])\x{{200C}}(?![{_JOINED}])",
        rf"(?<![{_JOINED}{_EMOJI}])\x{{200D}}",
        rf"\x{{200B}}(?:(?<![{_UNSPACED}]\x{{200B}})|(?![{_UNSPACED}]))",
        r"\x{180E}(?![\x{1820}\x{1821}])",
        r"\x{34F}(?!\p{M})",
        rf"^[{_VARIATIONS}]|[{_VARIATIONS}](?<=[{_WITHOUT_VARIATIONS}][{_VARIATIONS}])",
        rf"[{_FILLERS}](?<![{_HANGUL}][{_FILLERS}])(?![{_HANGUL}])",
        r"\x{2800}(?<![\x{2801}-\x{28FF}]\x{2800})(?![\x{2801}-\x{28FF}])",
        rf"(?<![\x{{1F3F4}}{_TAGS}])[{_TAGS}]",
        rf"^[^{_RIGHT_TO_LEFT}]*[{_MARKS}][^{_RIGHT_TO_LEFT}]*$",
    )
)
#: Patterns for a name, and for text that may have several lines.
IN_NAMES: Final = f"[{_CONTROLS}{_OF_PROSE}{_NEVER}{_LOST}]|{_OUT_OF_PLACE}"
IN_PROSE: Final = f"[{_CONTROLS}{_NEVER}{_LOST}]|{_OUT_OF_PLACE}"
#: Text without anything to see. The empty text is for minLength.
BLANK: Final = rf"^[\s\p{{Z}}\p{{Cf}}{_EMPTY}]+$"

#: A space at either end of a name, as a padded column (CHAR) leaves it.
PADDED: Final = r"\A[\s\p{Z}]|[\s\p{Z}]\z"

_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
#: Letters and marks without a look of their own.
_UNSEEN: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0") | frozenset(
    map(chr, (0x34F, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)


def is_unseen(sign: str) -> bool:
    """Return whether a character other than a space has nothing to see."""
    return unicodedata.category(sign) in _CATEGORIES or sign in _UNSEEN


def _is_lost(sign: str) -> bool:
    return sign == "\ufffd" or ord(sign) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(sign) <= 0xFDEF


def _title(sign: str) -> str:
    return unicodedata.name(sign, "NONCHARACTER" if _is_lost(sign) else "CONTROL CHARACTER")


def named(text: str) -> str | None:
    """Name the characters of a text that it must not hold: "U+200B ZERO WIDTH SPACE at 5". None without any."""
    if all(sign.isspace() or sign in _UNSEEN for sign in text):
        return "nothing that can be seen"
    found = [
        f"U+{ord(sign):04X} {_title(sign)} at {position}"
        for position, sign in enumerate(text)
        if is_unseen(sign) or _is_lost(sign)
    ]
    return ", ".join(found[:3]) + (", …" if len(found) > 3 else "") if found else None


def padding(text: str) -> str | None:
    """Name the space at the ends of a text: "U+0020 SPACE at the end". None when there is none, or nothing else."""
    places: dict[str, list[str]] = {}
    for sign, place in ((text[:1], "at the beginning"), (text[-1:], "at the end")):
        if sign.isspace() and not is_unseen(sign) and text.strip():
            places.setdefault(f"U+{ord(sign):04X} {unicodedata.name(sign)}", []).append(place)
    return ", ".join(f"{sign} {' and '.join(where)}" for sign, where in places.items()) or None
