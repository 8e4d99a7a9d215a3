"""Values as findings show them: JSON where JSON has the type, else with the name of the BSON type behind it.

What cannot be seen is written as an escape: control, zero-width and bidirectional characters, variation selectors,
letters that look like a space, spaces other than the plain one, combining marks of a text that is not in the composed
form, and letters of another script within a word of Latin ones. So two texts that look alike never read alike.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final
from uuid import UUID

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from conformance.text.invisible import is_unseen
from conformance.text.masking import masked

#: Stands for a field that a document does not have.
MISSING: Final = type("Missing", (), {"__repr__": lambda _: "missing"})()
#: Categories of characters that are not seen, or not told apart: controls, formats, unassigned, all spaces and breaks.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_WORD: Final = re.compile(r"[^\W\d]+")
#: A long below it means the same as an int, to every rule and to devices.
_MAX_INT: Final = 2**31 - 1
_LATIN: Final = re.compile("[A-Za-z]")


def shorten(value: object, limit: int = 60) -> str:
    """Return a value as it is shown in a finding, without secrets, cut where it is longer than ``limit``."""
    items = _start(value, limit, texts=False)
    return _cut(render(_start(masked(items), limit)), limit)  # texts are masked whole: a part of an address has no form


def compared(found: object, wanted: object, limit: int = 60) -> tuple[str, str]:
    """Two values that differ, as they are shown beside each other; two texts that look alike as escapes."""
    if isinstance(found, str) and isinstance(wanted, str) and found != wanted:
        place = _first_difference(found, wanted)
        window = slice(place, place + limit)
        if _look_alike(found[window], wanted[window]):
            return _around(found, place, limit), _around(wanted, place, limit)
    return shorten(found, limit), shorten(wanted, limit)


def render(value: object) -> str:
    """Return a value in full."""
    for kinds, show in _RENDERERS:
        if isinstance(value, kinds):
            return show(value)
    return str(value)


def named(name: str) -> str:
    """Return a name as it is written, as a text with escapes where it has anything but plain ASCII."""
    return name if name.isascii() and name.isprintable() and name else json.dumps(name)


def bson_type(value: object) -> str:
    """Return the name of a value's BSON type, as `$type` has it; a symbol is read as a string (see `screen`)."""
    for kinds, name in _TYPES:
        if isinstance(value, kinds):
            return name
    return type(value).__name__


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _start(value: object, limit: int, *, texts: bool = True) -> object:
    """Return the start of a value, longer than ``limit`` if cut, because rendering 16 MB takes minutes."""
    if isinstance(value, Mapping):
        return {name: _start(inner, limit, texts=texts) for name, inner in islice(value.items(), limit + 1)}
    if isinstance(value, list | tuple):
        return [_start(inner, limit, texts=texts) for inner in value[: limit + 1]]
    if isinstance(value, Code) or not texts:
        return value
    if isinstance(value, Binary):
        return Binary(value[: limit + 1], value.subtype)
    return value[: limit + 1] if isinstance(value, str | bytes) else value


def _text(text: str) -> str:
    if text.isascii() and text.isprintable():
        return json.dumps(text)
    composed = unicodedata.is_normalized("NFC", text)
    foreign = set(_foreign_letters(text))
    return '"' + "".join(_character(char, place in foreign, composed) for place, char in enumerate(text)) + '"'


def _character(char: str, foreign: bool, composed: bool) -> str:
    category = unicodedata.category(char)
    hidden = (category in _UNSEEN and char != " ") or is_unseen(char) or foreign or (category == "Mn" and not composed)
    hidden = hidden or not unicodedata.is_normalized("NFC", char)
    return json.dumps(char, ensure_ascii=hidden)[1:-1]


def _foreign_letters(text: str) -> Iterator[int]:
    """Yield the places of letters that are not Latin in a word that has Latin ones, such as a Cyrillic o in "store"."""
    for word in _WORD.finditer(text):
        if _LATIN.search(word[0]):
            yield from (place for place in range(*word.span()) if not _is_latin(text[place]))


def _is_latin(char: str) -> bool:
    return char.isascii() or unicodedata.name(char, "").startswith("LATIN ")


def _look_alike(one: str, other: str) -> bool:
    """Return whether two texts differ only in marks, invisible characters or scripts."""
    bare_one, bare_other = _bare(one), _bare(other)
    return len(bare_one) == len(bare_other) and all(
        a == b or not (a.isascii() and b.isascii()) for a, b in zip(bare_one, bare_other, strict=True)
    )


def _bare(text: str) -> str:
    seen = (char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char) != "Mn")
    return "".join(
        char for char in seen if char == " " or not (unicodedata.category(char) in _UNSEEN or is_unseen(char))
    )


def _first_difference(one: str, other: str) -> int:
    """Return the place of the first character that differs; the length of the shorter text where there is none."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _around(text: str, place: int, limit: int) -> str:
    """Return the text as ASCII, from shortly before the first difference on where it is too long."""
    shown = json.dumps(text)
    if len(shown) <= limit:
        return shown
    start = max(place - limit // 4, 0)
    return _cut(("…" if start else "") + json.dumps(text[start : start + limit]), limit)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _binary(value: bytes) -> str:
    subtype = value.subtype if isinstance(value, Binary) else 0
    return f"0x{bytes(value).hex()} (binData, subtype {subtype})"


def _date(value: dt.datetime) -> str:
    aware = value.astimezone(dt.UTC) if value.tzinfo else value
    return f"{aware.replace(tzinfo=None).isoformat()}Z (date)"


def _pattern(value: Any) -> str:
    flags = value.flags if isinstance(value.flags, int) else 0
    letters = "".join(letter for letter, flag in _FLAGS if flags & flag)
    pattern = value.pattern if isinstance(value.pattern, str) else value.pattern.decode(errors="replace")
    return f"/{pattern}/{letters} (regex)"


_FLAGS: Final = (("i", re.IGNORECASE), ("l", re.LOCALE), ("m", re.MULTILINE), ("s", re.DOTALL), ("x", re.VERBOSE))


def _code(value: Code) -> str:
    kind = "javascript" if value.scope is None else "javascriptWithScope"
    return f"{_text(str(value))} ({kind})"


def _object(value: Mapping[Any, Any]) -> str:
    return "{" + ", ".join(f"{_text(str(key))}: {render(inner)}" for key, inner in value.items()) + "}"


#: By type, the more special ones first: BSON's code arrives as a kind of str, a boolean is a kind of int.
_RENDERERS: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (type(None), lambda _: "null"),
    (bool, lambda value: "true" if value else "false"),
    (Code, _code),
    (str, _text),
    (int, lambda value: f"{int(value)} (long)" if abs(value) > _MAX_INT else str(int(value))),
    (float, _number),
    (Decimal128, lambda value: f"{value} (decimal)"),
    (ObjectId, lambda value: f"{value} (objectId)"),
    (dt.datetime, _date),
    (DatetimeMS, lambda value: f"{int(value)} ms from 1970 (date)"),
    (UUID, lambda value: f"{value} (UUID)"),
    (bytes, _binary),
    ((Regex, re.Pattern), _pattern),
    (Timestamp, lambda value: f"{value.time}:{value.inc} (timestamp)"),
    (MinKey, lambda _: "MinKey"),
    (MaxKey, lambda _: "MaxKey"),
    (DBRef, lambda value: f"{_object(value.as_doc())} (dbPointer)"),
    (Mapping, _object),
    ((list, tuple), lambda value: f"[{', '.join(map(render, value))}]"),
    ((set, frozenset), lambda value: f"[{', '.join(sorted(map(render, value)))}]"),
)
_TYPES: Final[tuple[tuple[Any, str], ...]] = (
    (type(None), "null"),
    (bool, "bool"),
    (Code, "javascript"),
    (str, "string"),
    (Int64, "long"),
    (int, "int"),
    (float, "double"),
    (Decimal128, "decimal"),
    (ObjectId, "objectId"),
    ((dt.datetime, DatetimeMS), "date"),
    ((bytes, UUID), "binData"),
    ((Regex, re.Pattern), "regex"),
    (Timestamp, "timestamp"),
    (MinKey, "minKey"),
    (MaxKey, "maxKey"),
    ((DBRef, Mapping), "object"),
    ((list, tuple), "array"),
)
