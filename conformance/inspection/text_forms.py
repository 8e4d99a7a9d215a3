"""Forms of texts (dates, numbers, e-mail addresses, card numbers, credentials), counted column by column.

A column of texts is joined once, and a form is looked for only where its characteristic characters occur in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from conformance.model.kinds import MILLISECONDS, is_timestamp
from conformance.text.credentials import KINDS
from conformance.text.invisible import is_unseen

#: The beginning of a number, and of most dates.
_DIGITS: Final = frozenset("+-0123456789")
#: Between the texts of a column; no text that a person wrote has it.
_SEPARATOR: Final = "\x1f"
#: A character that stands for bytes that are not UTF-8.
_REPLACED: Final = "\ufffd"

EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}\.[A-Za-z]{2,24}")
PASSWORD_HASH: Final = re.compile(r"\$(?:2[abxy]?|argon2(?:id|i|d)|scrypt|pbkdf2[\w-]*|[156])\$\S{10,}|pbkdf2_\w+\$\S+")
#: Forms of dates by name; a text that has none of them is not a date.
DATE: Final = re.compile(
    r"(?P<iso_second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
    r"|(?P<iso_milli>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"
    r"|(?P<iso_fraction>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.,]\d{1,9}Z)"
    r"|(?P<iso_offset>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)? ?[+-]\d\d:?\d\d)"
    r"|(?P<iso_local>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)"
    r"|(?P<iso_day>\d{4}-\d\d-\d\d)"
    r"|(?P<slashed>\d{1,2}/\d{1,2}/\d{4}(?: \d{1,2}:\d\d(?::\d\d)?(?: ?[AaPp][Mm])?)?)"
    r"|(?P<dotted>\d{1,2}\.\d{1,2}\.\d{4}(?: \d{1,2}:\d\d(?::\d\d)?)?)"
    r"|(?P<worded>(?:[A-Z][a-z]{2},? )?(?:\d{1,2} [A-Z][a-z]{2,8}|[A-Z][a-z]{2,8} \d{1,2},?) (?:19|20)\d\d(?: .*)?)"
)
#: Forms that a schema can declare, with the value of x-timestamp.
_FORMS: Final = {"iso_second": True, "iso_milli": MILLISECONDS}
_LINES: Final = re.compile(r"[\n\r\t]")
#: Digits after a plus sign are a telephone number.
NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d+)?")
#: Ids that are drawn at random, so that two equal ones are no chance: UUID, ObjectId or UUID in hexadecimal, ULID.
_RANDOM_ID: Final = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=[0-9]*[a-f])(?:[0-9a-f]{24}|[0-9a-f]{32})"
    r"|(?=[0-9]*[A-Z])(?=[A-Z]*[0-9])[0-7][0-9A-HJKMNP-TV-Z]{25}"
)
_RANDOM_ID_LENGTHS: Final = frozenset({24, 26, 32, 36})
_CARD: Final = re.compile(r"(?:\d{4}[ -]){3}\d{1,7}|\d{4}[ -]\d{6}[ -]\d{5}|\d{13,19}")
_CARD_NUMBER: Final = "a card number"
#: First characters of the prefixes of card schemes.
_CARD_HEADS: Final = frozenset("23456")
_CARD_LENGTHS: Final = range(13, 24)
#: Characters of the longest text that is taken for a date or a number.
_LONGEST_DATE: Final = 35
#: Characters of the shortest text that is a credential or a card number.
_SHORTEST_SECRET: Final = 13
#: Kinds of credentials that are known by their own form, without a name beside them.
_CREDENTIALS: Final = tuple(kind for kind in KINDS if not kind.guarded)


class TextForms:
    """Counts of the forms of one path's texts; ``dates`` by the form of a date, ``secrets`` by the kind."""

    def __init__(self) -> None:
        self.longest = 0
        self.broken = 0
        self.emails = 0
        self.numbers = 0
        self.random_ids = 0
        self.several_lines = 0
        self.unseen = 0
        self.dates: Counter[str] = Counter()
        self._secrets: Counter[str] = Counter()
        self._card_forms = 0

    @property
    def secrets(self) -> Counter[str]:
        """The secrets by kind. Of serial numbers as long as a card's, one in ten has a right check digit by chance."""
        if 2 * self._secrets[_CARD_NUMBER] >= self._card_forms:
            return +self._secrets
        return Counter({kind: number for kind, number in self._secrets.items() if kind != _CARD_NUMBER})

    def add(self, counted: Mapping[str, int]) -> None:
        """Count the texts of a batch, each with how often it occurs."""
        longest = max(map(len, counted))
        self.longest = max(self.longest, longest)
        joined = _SEPARATOR.join(counted)
        if _REPLACED in joined:
            self.broken += sum(number for text, number in counted.items() if _REPLACED in text)
        if "@" in joined:
            self.emails += sum(n for text, n in counted.items() if "@" in text and EMAIL.fullmatch(text))
        if "\n" in joined or "\t" in joined or "\r" in joined:
            self.several_lines += sum(n for text, n in counted.items() if _LINES.search(text))
        if not joined.replace(_SEPARATOR, "").isprintable():
            self.unseen += sum(n for text, n in counted.items() if not text.isprintable() and _has_unseen(text))
        digits = [text for text in counted if text[:1] in _DIGITS and len(text) <= _LONGEST_DATE]
        self.numbers += sum(counted[text] for text in digits if NUMBER.fullmatch(text))
        dates = digits
        if " 19" in joined or " 20" in joined:
            dates = [*digits, *(text for text in counted if text[:1].isalpha() and len(text) <= _LONGEST_DATE)]
        for text in dates:
            if form := DATE.fullmatch(text):
                name = str(form.lastgroup)
                is_day = name not in _FORMS or is_timestamp(text, _FORMS[name])
                self.dates[name if is_day else "not_a_day"] += counted[text]
        if longest >= min(_RANDOM_ID_LENGTHS):
            self.random_ids += sum(n for text, n in counted.items() if is_random_id(text))
        if longest >= _SHORTEST_SECRET:
            self._count_secrets(counted, joined, digits)

    def merge(self, other: TextForms) -> None:
        """Add the counts of another path."""
        self.longest = max(self.longest, other.longest)
        self.broken += other.broken
        self.emails += other.emails
        self.numbers += other.numbers
        self.random_ids += other.random_ids
        self.several_lines += other.several_lines
        self.unseen += other.unseen
        self.dates += other.dates
        self._secrets += other._secrets
        self._card_forms += other._card_forms

    def _count_secrets(self, counted: Mapping[str, int], joined: str, digits: Sequence[str]) -> None:
        if "$" in joined:
            self._count("a password hash", sum(n for text, n in counted.items() if is_password_hash(text)))
        forms = [text for text in digits if _has_card_form(text)]
        self._card_forms += sum(counted[text] for text in forms)
        self._count(_CARD_NUMBER, sum(counted[text] for text in forms if is_card_number(text)))
        lowered = joined.lower()
        for kind in _CREDENTIALS:
            if any(hint in lowered for hint in kind.hints):
                self._count(kind.name, sum(n for text, n in counted.items() if kind.pattern.search(text)))

    def _count(self, name: str, number: int) -> None:
        if number:
            self._secrets[name] += number


def _has_unseen(text: str) -> bool:
    """Return True when a text has a character that nobody sees, other than a line break or a tab."""
    return any(is_unseen(sign) and sign not in "\n\r\t" for sign in text)


def is_password_hash(text: str) -> bool:
    """Return True for the output of bcrypt, scrypt, Argon2, PBKDF2 or crypt."""
    return PASSWORD_HASH.fullmatch(text) is not None


def is_random_id(text: str) -> bool:
    """Return True for a UUID, a ULID, or an ObjectId or UUID in hexadecimal."""
    return len(text) in _RANDOM_ID_LENGTHS and _RANDOM_ID.fullmatch(text) is not None


def _has_card_form(text: str) -> bool:
    """Return True for digits that are grouped as on a payment card, or as many; the check digit may be wrong."""
    return text[:1] in _CARD_HEADS and len(text) in _CARD_LENGTHS and _CARD.fullmatch(text) is not None


def is_card_number(text: str) -> bool:
    """Return True for a payment card's number with a right check digit, with or without spaces."""
    if not _has_card_form(text):
        return False
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def secret_kind(text: str) -> str | None:
    """Return the kind of credential that a text is or holds; None for any other text."""
    if is_password_hash(text):
        return "a password hash"
    if is_card_number(text):
        return _CARD_NUMBER
    lowered = text.lower()
    kinds = (each for each in _CREDENTIALS if any(hint in lowered for hint in each.hints))
    return next((each.name for each in kinds if each.pattern.search(text)), None)
