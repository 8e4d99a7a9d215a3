"""Faults that are made at the same time: of one kind, and no two are expected to move the same rule.

Most of the time that a fault takes is that of the rules which are run after it. A batch runs them once. What a batch
could hide is a rule that two of its faults move, the second one without declaring it; `FAULTS_ALONE=1`, as `make soak`
has it, makes each fault alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import pytest

from conformance.checks.base import Rule
from tests.faults.catalogue import Fault
from tests.faults.engine.place import changes_rules

#: The variable that asks for each fault to be made alone.
ALONE: Final = "FAULTS_ALONE"
#: More edits of documents at once change so many that distributions move.
LARGEST: Final = 40
#: What keeps the rest of a file as it is, so that other faults can edit that.
_IN_FILES: Final = frozenset({"file", "set", "unset", "append"})


@dataclass(frozen=True)
class _Batch:
    """Faults of one kind and base, the rules that they are declared to move, and what is taken by their edits."""

    faults: list[Fault]
    kind: str
    moved: set[str]
    taken: set[str]

    def add(self, fault: Fault, kind: str, moved: set[str]) -> bool:
        """Add a fault if it fits; return whether it does."""
        taken = _taken(fault)
        fits = (
            (kind, fault.base) == (self.kind, self.faults[0].base)
            and (kind != "documents" or len(self.faults) < LARGEST)
            and self.moved.isdisjoint(moved)
            and not any(one.startswith(other) or other.startswith(one) for one in taken for other in self.taken)
        )
        if fits:
            self.faults.append(fault)
            self.moved.update(moved)
            self.taken.update(taken)
        return fits


def batches(faults: Iterable[Fault], rules: Sequence[Rule]) -> list[list[Fault]]:
    """Divide faults: each that can be made beside others goes into the first batch that it fits into."""
    found: list[_Batch] = []
    alone: list[list[Fault]] = []
    for fault in faults:
        kind, moved = _kind(fault), declared(fault, rules)
        if kind is None:
            alone.append([fault])
        elif not any(batch.add(fault, kind, moved) for batch in found):
            found.append(_Batch([fault], kind, moved, _taken(fault)))
    return [batch.faults for batch in found] + alone


def of_selected_tests(
    items: Iterable[pytest.Item], test: Callable[..., None], rules: Sequence[Rule], part: Callable[[str], int]
) -> dict[str, list[Fault]]:
    """Return by id the batch of each fault for which a test was selected; ``part`` assigns tests to workers.

    Empty if the environment asks for each fault alone.
    """
    if os.environ.get(ALONE):
        return {}
    parts: dict[int, list[Fault]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.originalname == test.__name__:
            faults = [each for each in item.callspec.params.values() if isinstance(each, Fault)]
            parts.setdefault(part(item.name), []).extend(faults)
    return {fault.id: batch for faults in parts.values() for batch in batches(faults, rules) for fault in batch}


def declared(fault: Fault, rules: Iterable[Rule]) -> set[str]:
    """Return the ids of the rules that a fault is declared to move."""
    patterns = (*fault.fails, *fault.warns, *fault.skips)
    exact = {pattern for pattern in patterns if "*" not in pattern}
    wild = [pattern for pattern in patterns if "*" in pattern]
    return exact | {rule.id for rule in rules if any(fnmatchcase(rule.id, pattern) for pattern in wild)}


def _kind(fault: Fault) -> str | None:
    """Return what all edits of a fault change; None if it can only be made alone."""
    kinds = {_kind_of_edit(edit) for edit in fault.edits}
    if fault.families or fault.generate is not None or len(kinds) != 1:
        return None
    return kinds.pop()


def _kind_of_edit(edit: Mapping[str, Any]) -> str | None:
    if "in" in edit:
        return "documents"
    if "command" in edit:
        return "collections"
    return "files" if "file" in edit and edit.keys() <= _IN_FILES and not changes_rules(edit["file"]) else None


def _taken(fault: Fault) -> set[str]:
    """Return what no other fault may edit at the same time: collections of commands, and paths of files.

    Several faults may append to one list, each an item of its own. A fault that edits all documents of a collection
    leaves none to the others, which each edit some.
    """
    taken = set()
    for edit in fault.edits:
        if "in" in edit:
            taken.add(f"documents of {edit['in']}" + ("" if edit.get("take") == "all" else f".+{fault.id}+"))
        if "command" in edit:
            taken.add(str(next(iter(edit["command"].values()))))
        paths = (
            *edit.get("set", ()),
            *edit.get("unset", ()),
            *(f"{path}.+{fault.id}+" for path in edit.get("append", ())),
        )
        taken |= {f"{edit['file']}: {path}" for path in paths if "file" in edit}
    return taken
