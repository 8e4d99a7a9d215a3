"""Faults that are made at the same time: edits of documents, of which no two are expected to move the same rule.

Most of the time that a fault takes is that of the rules which are run after it. A batch runs them once. What a batch
could hide is a rule that two of its faults move, the second one without declaring it; `FAULTS_ALONE=1`, as `make soak`
has it, makes each fault alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from conformance.checks.base import Rule
from tests.faults.catalogue import Fault

#: More faults at once change so many documents that distributions move.
LARGEST: Final = 40


def batches(faults: Iterable[Fault], rules: Sequence[Rule]) -> list[list[Fault]]:
    """Divide faults: each that only edits documents goes into the first batch that declares none of its rules."""
    found: list[tuple[list[Fault], set[str]]] = []
    alone: list[list[Fault]] = []
    for fault in faults:
        if not _edits_documents(fault):
            alone.append([fault])
            continue
        moved = declared(fault, rules)
        for batch, taken in found:
            if len(batch) < LARGEST and batch[0].base == fault.base and taken.isdisjoint(moved):
                batch.append(fault)
                taken |= moved
                break
        else:
            found.append(([fault], moved))
    return [batch for batch, _ in found] + alone


def declared(fault: Fault, rules: Iterable[Rule]) -> set[str]:
    """Return the ids of the rules that a fault is declared to move."""
    patterns = (*fault.fails, *fault.warns, *fault.skips)
    exact = {pattern for pattern in patterns if "*" not in pattern}
    wild = [pattern for pattern in patterns if "*" in pattern]
    return exact | {rule.id for rule in rules if any(fnmatchcase(rule.id, pattern) for pattern in wild)}


def _edits_documents(fault: Fault) -> bool:
    return not fault.families and fault.generate is None and all("in" in edit for edit in fault.edits)
