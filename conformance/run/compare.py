"""Comparison of two runs: newly broken rules, worse and better ones, and rules that no longer run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conformance import exit_codes
from conformance.results import Report, Result, Severity, Status

#: Rank of a status; a rule that was not evaluated is neither broken nor passed.
_RANK: Final[Mapping[Status, int]] = {"passed": 0, "warned": 1, "failed": 2, "error": 2}
#: Rank of a rule whose violations are all in the baseline.
_ACCEPTED: Final[Mapping[Severity, int]] = {"warning": 1, "error": 2}


@dataclass(frozen=True)
class Change:
    """One rule in both runs; None where a run does not have it."""

    before: Result | None
    after: Result | None

    @property
    def result(self) -> Result:
        """The later of the two."""
        found = self.after or self.before
        assert found is not None  # noqa: S101 - one of the two is there
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the rule with its status and violations before and after."""
        pair = (self.before, self.after)
        return {
            "id": self.result.id,
            "title": self.result.title,
            "status": [each and each.status for each in pair],
            "violations": [each and each.violations for each in pair],
            "known": [each and each.known for each in pair],
        }


@dataclass(frozen=True)
class Difference:
    """The rules whose standing matters, each in one of the lists; ``counts`` holds collections that changed size.

    ``new``: broken now, and not or less severely before. ``worse``: broken in both, with more violations now, or with
    more that are not in the baseline if both runs had one.
    ``still``: broken in both, with as many or fewer. ``fixed``: broken before, and now whole or only a warning.
    ``lost``: run before and not now; it may be broken unnoticed.
    """

    before: Report
    after: Report
    new: Sequence[Change]
    worse: Sequence[Change]
    still: Sequence[Change]
    fixed: Sequence[Change]
    lost: Sequence[Change]
    counts: Mapping[str, tuple[int | None, int | None]]

    def exit_code(self, *, strict: bool = False) -> int:
        """1 if anything is newly broken or got worse and no baseline accepts it (with ``strict`` warnings count)."""
        least = 1 if strict else 2
        changed = [change.after for change in (*self.new, *self.worse) if change.after and not change.after.accepted]
        return exit_codes.FINDINGS if any(_rank(result) >= least for result in changed) else exit_codes.CONFORMANT

    def as_json(self) -> dict[str, Any]:
        """Return the content of `zava diff --json`; pairs are before and after."""
        return {
            "runs": [_about(self.before), _about(self.after)],
            "quality_score": [self.before.quality_score, self.after.quality_score],
            **{name: [change.as_json() for change in changes] for name, changes in self.lists()},
            "counts": {name: list(pair) for name, pair in self.counts.items()},
        }

    def lists(self) -> Iterator[tuple[str, Sequence[Change]]]:
        """Yield the lists of changes by name, the worst first."""
        for name in ("new", "worse", "still", "fixed", "lost"):
            yield name, getattr(self, name)


def difference(before: Report, after: Report) -> Difference:
    """Return what changed from one run to the next, rules in the order of the later one."""
    old = {result.id: result for result in before.results}
    now = {result.id: result for result in after.results}
    baselines = before.baseline is not None and after.baseline is not None
    lists: dict[str, list[Change]] = {name: [] for name in ("new", "worse", "still", "fixed", "lost")}
    for rule_id in [*now, *(rule_id for rule_id in old if rule_id not in now)]:
        change = Change(old.get(rule_id), now.get(rule_id))
        name = _standing(change, baselines=baselines)
        if name:
            lists[name].append(change)
    return Difference(before, after, counts=_counts(before.counts, after.counts), **lists)


def _standing(change: Change, *, baselines: bool) -> str | None:
    before, after = _rank(change.before), _rank(change.after)
    if after < 0:
        return "lost" if before >= 0 else None
    if after > max(before, 0):
        return "new"
    if before > after:
        return "fixed"
    if after <= 0 or change.before is None or change.after is None:
        return None
    more = change.after.violations > change.before.violations
    return "worse" if more or (baselines and change.after.new > change.before.new) else "still"


def _rank(result: Result | None) -> int:
    if result is None:
        return -1
    return _ACCEPTED[result.severity] if result.accepted else _RANK.get(result.status, -1)


def _counts(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, tuple[int | None, int | None]]:
    names = dict.fromkeys([*after, *before])
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _about(report: Report) -> dict[str, Any]:
    return {
        "uri": report.target.uri,
        "database": report.target.database,
        "started_at": report.started_at,
        "violations": report.violations,
        "baseline": report.baseline,
        "known": report.known,
    }
