"""Summary of a report, computed once: verdict, results by family, reasons of skips, formula of the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from conformance import exit_codes
from conformance.results import WEIGHT, Report, Result, Status
from conformance.rules.families import FAMILIES, family

#: In the order a reader wants them.
STATUSES: Final[tuple[Status, ...]] = ("failed", "error", "warned", "skipped", "passed")

#: The words for a status in a sentence, for one rule and for several.
PHRASES: Final[Mapping[Status, tuple[str, str]]] = {
    "failed": ("rule is broken", "rules are broken"),
    "error": ("rule could not be run", "rules could not be run"),
    "warned": ("warning", "warnings"),
    "skipped": ("rule was not examined", "rules were not examined"),
    "passed": ("rule holds", "rules hold"),
}

#: The meaning of the formula of the quality score.
SCORE_MEANING: Final = (
    f"weight of the rules that hold / of those that were run; a rule of severity error weighs {WEIGHT['error']}, a"
    f" warning {WEIGHT['warning']}; rounded down, and at most 99.9 when anything is broken"
)

_WORDS: Final[Mapping[int, str]] = {
    exit_codes.CONFORMANT: "CONFORMANT",
    exit_codes.FINDINGS: "NOT CONFORMANT",
    exit_codes.NO_VERDICT: "INCOMPLETE",
}


@dataclass(frozen=True)
class Verdict:
    """``word`` is CONFORMANT, NOT CONFORMANT or INCOMPLETE; ``sentence`` says from what, without a full stop.

    ``qualifiers`` say what the word alone would hide: generated data, violations that a baseline accepts.
    """

    word: str
    sentence: str
    qualifiers: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The word with its qualifiers, such as ``CONFORMANT (generated data)``."""
        return f"{self.word} ({', '.join(self.qualifiers)})" if self.qualifiers else self.word


def verdict(report: Report, *, strict: bool = False) -> Verdict:
    """Return the verdict of the exit code; with ``strict``, warnings break conformance."""
    word = _WORDS[report.exit_code(strict=strict)]
    parts = list(_parts(report))
    if strict and report.new_warnings:
        parts.append("warnings count as broken")
    return Verdict(word, ", ".join(parts) or "no rule was run", tuple(_qualifiers(report)))


def _parts(report: Report) -> Iterator[str]:
    for status in STATUSES:
        number = report.new_warnings if status == "warned" else report.number(status)
        if number:
            yield _phrase(status, number)
        if status == "warned" and report.accepted:
            broken = "rule is" if report.accepted == 1 else "rules are"
            yield f"{report.accepted:,} {broken} broken only as the baseline {report.baseline} records"


def _qualifiers(report: Report) -> Iterator[str]:
    if report.target.embedded:
        yield "generated data"
    if report.known:
        yield f"{report.known:,} known violation{'' if report.known == 1 else 's'}"


def _phrase(status: Status, number: int) -> str:
    return f"{number:,} {PHRASES[status][number != 1]}"


@dataclass(frozen=True)
class Tally:
    """One family's results, those that need attention first."""

    name: str
    title: str
    meaning: str
    results: Sequence[Result]

    def number(self, status: Status) -> int:
        """Return how many of the family's rules have the status."""
        return sum(result.status == status for result in self.results)


def tallies(report: Report) -> list[Tally]:
    """Return the families that have results, in reading order; unlisted ones last, by name."""
    order = {name: place for place, name in enumerate(FAMILIES)}
    names = sorted({result.family for result in report.results}, key=lambda name: (order.get(name, len(order)), name))
    return [_tally(name, report) for name in names]


def _tally(name: str, report: Report) -> Tally:
    results = [result for result in report.results if result.family == name]
    ordered = sorted(results, key=lambda result: (STATUSES.index(result.status), result.id))
    return Tally(name, family(name).title, family(name).meaning, ordered)


def with_status(report: Report, status: Status) -> list[Result]:
    """Return the results of that status, families in reading order."""
    return [result for tally in tallies(report) for result in tally.results if result.status == status]


def skip_reasons(report: Report) -> list[tuple[str, list[Result]]]:
    """Return why rules were not examined, and which: the reason that most rules share comes first."""
    grouped: dict[str, list[Result]] = {}
    for result in with_status(report, "skipped"):
        grouped.setdefault(result.reason or "no reason was given", []).append(result)
    return sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0]))


def when(report: Report) -> str:
    """Return when the run began and how long it took, such as ``2026-11-29 10:12:03 UTC, 4.2 s``."""
    return f"{report.started_at[:10]} {report.started_at[11:19]} UTC, {report.duration_s:.1f} s"


def score_formula(report: Report) -> str:
    """Return how the quality score came about, with this run's numbers, such as ``75.0 = 100 x (3 x 3) / (3 x 4)``."""
    run = [result for result in report.results if result.status != "skipped"]
    if not run:
        return f"{report.quality_score}, as no rule was run"
    passed = [result for result in run if result.status == "passed"]
    return f"{report.quality_score} = 100 x {_weight(passed, run)} / {_weight(run, run)}"


def _weight(results: Iterable[Result], run: Sequence[Result]) -> str:
    """Return the sum, with a term for every severity that was run."""
    number = Counter(result.severity for result in results)
    present = {result.severity for result in run}
    terms = [f"{weight} x {number[severity]}" for severity, weight in WEIGHT.items() if severity in present]
    return f"({' + '.join(terms)})"
