"""Documents that show what the counters of a scan found: at most five for each path and each kind of value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

from conformance.inspection.kinds_of_values import counts_by_kind, is_of_kind
from conformance.inspection.profile import ELEMENTS, VALUES, Path, Profile
from conformance.results import Sample
from conformance.text.rendering import named, shorten

#: Documents that are kept for each path and kind.
MAX_SAMPLES: Final = 5


class Samples:
    """Sample documents by path and kind of value; filled batch by batch, whenever a counter went up."""

    def __init__(self) -> None:
        self._found: dict[tuple[Path, str], list[Sample]] = {}
        self._counted: dict[tuple[Path, str], int] = {}

    def of(self, path: Path, kind: str) -> tuple[Sample, ...]:
        """Return the samples for a path and a kind of value."""
        exact = self._found.get((path, kind))
        if exact is not None or VALUES not in path:
            return tuple(exact or ())
        return tuple(islice(chain.from_iterable(self._below_map(path, kind)), MAX_SAMPLES))

    def _below_map(self, path: Path, kind: str) -> Iterator[Sequence[Sample]]:
        """Return the samples that were taken before the names of a map were known to be data."""
        for (found, each), samples in self._found.items():
            alike = each == kind and len(found) == len(path)
            if alike and all(step in (other, VALUES) for step, other in zip(path, found, strict=True)):
                yield samples

    def look(self, root: Profile, documents: Sequence[Mapping[str, Any]]) -> None:
        """Take samples from a batch that the profile has counted."""
        for profile in root.walk():
            for kind, number in counts_by_kind(profile).items():
                key = (profile.path, kind)
                if number == self._counted.get(key, 0):
                    continue
                self._counted[key] = number
                found = self._found.setdefault(key, [])
                if len(found) < MAX_SAMPLES:
                    found += list(_samples(documents, profile.path, kind, MAX_SAMPLES - len(found)))


def _samples(documents: Sequence[Mapping[str, Any]], path: Path, kind: str, most: int) -> Iterator[Sample]:
    for document in documents:
        for value in values_at(document, path):
            if is_of_kind(value, kind):
                yield Sample(f"{shown_path(path)} is {_shown(value, kind)}", id=document.get("_id"))
                most -= 1
                break
        if not most:
            return


def _shown(value: Any, kind: str) -> str:
    if kind.startswith("secret:"):
        return kind.removeprefix("secret:")
    if isinstance(value, list):
        return f"an array of length {len(value)}"
    return shorten(value)


def values_at(value: Any, path: Path) -> Iterator[Any]:
    """Every value of a document at a path; through arrays and maps there may be many."""
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    inner: Sequence[Any] = ()
    if step == ELEMENTS:
        inner = value if isinstance(value, list) else ()
    elif isinstance(value, Mapping):
        inner = list(value.values()) if step == VALUES else [value[step[0]]] if step[0] in value else ()
    for each in inner:
        yield from values_at(each, rest)


def shown_path(path: Path) -> str:
    """Return a path as people read it, such as ``cast[].name`` or ``tiers.*.benefits[]``."""
    text = ""
    for step in path:
        if step == ELEMENTS:
            text += "[]"
        else:
            text += f".{step if step == VALUES else named(step[0])}" if text else str(named(step[0]))
    return text or "the document"
