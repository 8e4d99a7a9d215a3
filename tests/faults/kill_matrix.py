"""The faults that each rule reports, and problems of this matrix: stale lines, and rules that no fault kills."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from tests.faults.engine.expectations import Verdict

#: By rule, the faults that break it, both in alphabetical order.
Matrix = Mapping[str, Sequence[str]]
#: The matrix of the last release, computed and committed.
COMMITTED: Final = Path(__file__).parent / "kill_matrix.json"


def matrix(verdicts: Iterable[Verdict]) -> dict[str, list[str]]:
    """Return the matrix of these verdicts."""
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        for rule in verdict.killed:
            found.setdefault(rule, []).append(verdict.fault.id)
    return {rule: sorted(faults) for rule, faults in sorted(found.items())}


def row(whole: Matrix, fault: str) -> dict[str, list[str]]:
    """Return the part of a matrix for one fault."""
    return {rule: [fault] for rule, faults in whole.items() if fault in faults}


def write(found: Matrix, path: Path = COMMITTED) -> None:
    """Write ``found`` as the committed matrix."""
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def stale(found: Matrix, committed: Matrix) -> Iterator[str]:
    """Yield the differences between the committed matrix and the runs, one line each."""
    for rule in sorted({*found, *committed}):
        new, old = set(found.get(rule, ())), set(committed.get(rule, ()))
        yield from (f"{rule} is killed by {fault}, which the matrix does not say" for fault in sorted(new - old))
        yield from (f"{rule} is not killed by {fault}, as the matrix says" for fault in sorted(old - new))


def alive(rules: Iterable[str], found: Matrix, unkillable: Iterable[str]) -> list[str]:
    """Return the rules that no fault makes fail and no reason excuses."""
    return [rule for rule in rules if not found.get(rule) and not excused(rule, unkillable)]


def excused(rule: str, unkillable: Iterable[str]) -> bool:
    """Return whether the catalogue has a reason why no edit can break the rule."""
    return any(fnmatchcase(rule, pattern) for pattern in unkillable)


def needless(rules: Iterable[str], found: Matrix, unkillable: Iterable[str]) -> list[str]:
    """Return the excuses of the catalogue that match no rule, or a rule that is killed nevertheless."""
    known = list(rules)
    return [
        pattern
        for pattern in unkillable
        if not (excused_ones := [rule for rule in known if fnmatchcase(rule, pattern)])
        or any(rule in found for rule in excused_ones)
    ]
