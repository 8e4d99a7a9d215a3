"""Subjects of rules: the last part of a rule id, made of field names that a model is free to choose."""

from __future__ import annotations

from itertools import count

from conformance.text.paths import as_subject


class Subjects:
    """The subjects of one family and collection, each of them given once.

    Fields named like a ``fixed`` subject ("extra"), or alike but for capitals and blanks, get a number: "extra+2".
    """

    def __init__(self, *fixed: str) -> None:
        self._given = set(fixed)

    def of(self, *paths: str, suffix: str = "") -> str:
        """Return the subject of a field, or of several together; see `as_subject`."""
        wanted = as_subject(*paths) + suffix
        numbered = (f"{wanted}+{number}" for number in count(2))
        subject = wanted if wanted not in self._given else next(one for one in numbered if one not in self._given)
        self._given.add(subject)
        return subject
