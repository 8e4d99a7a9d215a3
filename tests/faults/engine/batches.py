"""Faults that are made at the same time: edits of documents, of which no two are expected to move the same rule.

Most of the time of a fault is spent in the rules that run after it, and a batch runs them once. A batch could hide that
a second fault moves a rule without declaring it; `FAULTS_ALONE=1`, which `make soak` sets, makes each fault alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

import pytest

from conformance.checks.base import Rule
from tests.faults.catalogue import Fault

#: The variable that asks for each fault to be made alone.
ALONE: Final = "FAULTS_ALONE"
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


def _edits_documents(fault: Fault) -> bool:
    return not fault.families and fault.generate is None and all("in" in edit for edit in fault.edits)
