"""Suggesting the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

#: Names that a message lists.
_FEW_NAMES = 10


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that is most like this one, whatever the case; None if none is like it."""
    by_form = {each.lower().replace("-", "_"): each for each in known}
    form = str(name).lower().replace("-", "_")
    found = get_close_matches(form, by_form, 1, 0.6)
    if not found:  # a name that was cut off or has an ending too many
        found = [each for each in by_form if min(len(each), len(form)) > 2 and (form in each or each in form)]
    return by_form[found[0]] if found else None


def did_you_mean(name: object, known: Iterable[str], otherwise: str = "") -> str:
    """Return "did you mean <name>?" to end a message with; else ``otherwise``, or the known names if they are few."""
    names = list(known)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near}?"
    if otherwise:
        return otherwise
    return f"write one of {', '.join(names)}" if 0 < len(names) <= _FEW_NAMES else "correct its spelling or remove it"
