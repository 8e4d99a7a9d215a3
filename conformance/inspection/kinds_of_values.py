"""Kinds of values that a scan takes samples of, by name: what the counters of a path know, and how a value is told.

A kind is ``type:`` with a BSON type, ``secret:`` with a kind of credential, ``date:`` with the form of a date, or one
of ``large``, ``not-finite``, ``number``, ``broken-text`` and ``present`` (any value).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from bson import DBRef

from conformance.inspection.names import has_blank, is_refused
from conformance.inspection.profile import Profile
from conformance.inspection.text_forms import DATE, NUMBER, secret_kind
from conformance.model.kinds import MAX_INTEGER
from conformance.rules.ditto.crdt.shapes import MAX_DEPTH
from conformance.text.rendering import bson_type

#: Types of which no sample is needed where a path has no other.
_ORDINARY: Final = frozenset({"string", "int", "long", "double", "bool", "object"})
#: Types that stand for one kind of value: a device or a program writes one or the other by chance.
_NUMBERS: Final = frozenset({"int", "long", "double", "decimal"})


def type_name(value: Any) -> str:
    """Return the name of a value's BSON type; ``{$ref, $id}`` has a name of its own."""
    return "dbRef" if isinstance(value, DBRef) else bson_type(value)


def type_groups(types: Mapping[str, int]) -> Counter[str]:
    """Return counts by kind of type; all numbers are one kind, null is not counted."""
    groups: Counter[str] = Counter()
    for name, number in types.items():
        if name != "null":
            groups["number" if name in _NUMBERS else name] += number
    return groups


def counts_by_kind(profile: Profile) -> dict[str, int]:
    """Return how many values of each kind worth a sample a path has."""
    mixed = len(type_groups(profile.types)) > 1
    counts = {f"type:{name}": number for name, number in profile.types.items() if mixed or name not in _ORDINARY}
    texts = profile.texts
    counts |= {"large": profile.beyond_exact, "not-finite": profile.not_finite, "broken-text": texts.broken}
    counts |= {"number": texts.numbers, "present": profile.count if _is_notable(profile) else 0}
    counts |= {f"secret:{kind}": number for kind, number in texts.secrets.items()}
    if len(texts.dates) > 1:
        counts |= {f"date:{form}": number for form, number in texts.dates.items()}
    return counts


def _is_notable(profile: Profile) -> bool:
    """Return True where the path itself is a finding: its name, or its depth."""
    step = profile.path[-1] if profile.path else "[]"
    return len(profile.path) > MAX_DEPTH or (isinstance(step, tuple) and (is_refused(step[0]) or has_blank(step[0])))


def is_of_kind(value: Any, kind: str) -> bool:
    """Return True when the value is one of those that `counts_by_kind` counts under the name."""
    head, _, rest = kind.partition(":")
    return _TESTS[head](value, rest)


def _is_large(value: Any, _: str) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and not -MAX_INTEGER <= value <= MAX_INTEGER


def _is_date(value: Any, form: str) -> bool:
    match = DATE.fullmatch(value) if type(value) is str else None
    return match is not None and match.lastgroup == form


_TESTS: Final[Mapping[str, Callable[[Any, str], bool]]] = {
    "type": lambda value, name: type_name(value) == name,
    "large": _is_large,
    "not-finite": lambda value, _: isinstance(value, float) and not math.isfinite(value),
    "broken-text": lambda value, _: type(value) is str and "\ufffd" in value,
    "secret": lambda value, kind: type(value) is str and secret_kind(value) == kind,
    "date": _is_date,
    "number": lambda value, _: type(value) is str and NUMBER.fullmatch(value) is not None,
    "present": lambda *_: True,
}
