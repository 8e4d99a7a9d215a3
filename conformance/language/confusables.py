"""Text as readers see it: letters of other scripts that look like Latin ones, and spaces, as a server's expression."""

from __future__ import annotations

import unicodedata
from typing import Final

from conformance.language.formulas.expressions import Expression

#: Latin letters, and the Cyrillic and Greek ones that look like them, as in Unicode's list of confusable characters.
_TWINS: Final = (
    (
        "ABESIJKMHOPCTYXYQWI",
        "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u04ae\u051a\u051c\u04c0",
    ),
    (
        "aeopcyxsijhdqwl",
        "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d\u04cf",
    ),
    (
        "ABEZHIKMNOPTYXCJ",
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03f9\u037f",
    ),
    (
        "avopuicj",
        "\u03b1\u03bd\u03bf\u03c1\u03c5\u03b9\u03f2\u03f3",
    ),
)
_LETTERS: Final = {twin: letter for letters, twins in _TWINS for letter, twin in zip(letters, twins, strict=True)}
#: No-break, ideographic and typographic spaces. Control characters in a name are findings of their own.
_SPACES: Final = "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_MORE_SPACES: Final = "\u2028\u2029\u202f\u205f\u3000"


def _accented() -> dict[str, str]:
    """Letters with an accent, such as U+0451, whose letter has a Latin twin."""
    found = {}
    for sign in map(chr, (*range(0x370, 0x530), *range(0x1F00, 0x2000))):
        parts = unicodedata.normalize("NFD", sign)
        if len(parts) > 1 and parts[0] in _LETTERS:
            found[sign] = unicodedata.normalize("NFC", _LETTERS[parts[0]] + parts[1:])
    return found


#: The character that each character looks like.
LOOKS: Final = dict.fromkeys(_SPACES + _MORE_SPACES, " ") | _LETTERS | _accented()


def as_seen(text: Expression) -> Expression:
    """Return the text with Latin letters for their twins, one space for several, and none at either end."""
    pairs = [{"of": sign, "as": seen} for sign, seen in LOOKS.items()]
    replaced: Expression = {
        "$reduce": {
            "input": {"$literal": pairs},
            "initialValue": text,
            "in": {"$replaceAll": {"input": "$$value", "find": "$$this.of", "replacement": "$$this.as"}},
        }
    }
    is_ascii = {"$eq": [{"$strLenCP": text}, {"$strLenBytes": text}]}  # and there is nothing to replace
    replaced = {"$cond": [is_ascii, text, replaced]}
    words = {"$filter": {"input": {"$split": [replaced, " "]}, "cond": {"$ne": ["$$this", ""]}}}
    joined = {"$concat": ["$$value", {"$cond": [{"$eq": ["$$value", ""]}, "", " "]}, "$$this"]}
    return {"$reduce": {"input": words, "initialValue": "", "in": joined}}
