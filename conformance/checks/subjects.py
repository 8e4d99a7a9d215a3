"""Subjects of rules: the last part of a rule id, made of field names that a model is free to choose."""

from __future__ import annotations

from collections import Counter


class Subjects:
    """The subjects of one family and collection, each of them given once.

    Fields named like a ``fixed`` subject ("extra"), or alike but for capitals, get a number: "extra+2". No name of a
    field begins with a digit, so that a number cannot be the subject of another field or combination of fields.
    """

    def __init__(self, *fixed: str) -> None:
        self._given = Counter(fixed)

    def of(self, *paths: str, suffix: str = "") -> str:
        """Return the subject of a field, or of several together: dots become hyphens, letters lower case."""
        wanted = "+".join(paths).replace(".", "-").lower() + suffix
        self._given[wanted] += 1
        number = self._given[wanted]
        return wanted if number == 1 else f"{wanted}+{number}"
