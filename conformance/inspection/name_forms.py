"""Forms of the names in maps whose keys are data: numbers, ids, days. Every name is looked at, none is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: Patterns that a schema can have for the keys of a map, the narrowest first; the last is for anything.
_FORMS: Final = (
    "^[0-9]+$",
    "^[0-9a-f]{24}$",
    "^[0-9a-f]{32}$",
    "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "^[A-Za-z0-9_-]+$",
    "^[^.$]+$",
    "^([a-z]|[^a-z])*$",
)
_COMPILED: Final = {form: re.compile(form[1:-1]) for form in _FORMS}


class NameForms:
    """The forms that fit every name so far; the first is the narrowest."""

    def __init__(self) -> None:
        self._fitting = list(_FORMS)

    def add(self, names: Iterable[str]) -> None:
        """Keep the forms that fit these names, too."""
        for name in names:
            if not _COMPILED[self._fitting[0]].fullmatch(name) or len(self._fitting) == len(_FORMS):
                self._fitting = [form for form in self._fitting if _COMPILED[form].fullmatch(name)] or [_FORMS[-1]]

    def merge(self, other: NameForms) -> None:
        """Keep the forms that fit the names of both."""
        self._fitting = [form for form in self._fitting if form in other._fitting] or [_FORMS[-1]]

    def pattern(self) -> str:
        """Return the narrowest pattern for all names."""
        return self._fitting[0]
