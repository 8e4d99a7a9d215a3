"""Results of rules and the exit code of a report: frozen values that every reporter reads and JSON can represent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import unquote

from bson import ObjectId

from conformance import exit_codes
from conformance.text.paths import id_parts
from conformance.text.rendering import render

Severity = Literal["error", "warning"]
Status = Literal["passed", "failed", "warned", "skipped", "error"]

SCHEMA_VERSION: Final = 1
#: The weight of a rule in the quality score.
WEIGHT: Final[Mapping[Severity, int]] = {"error": 3, "warning": 1}


@dataclass(frozen=True)
class Sample:
    """One violation: ``id`` is the document's _id, or ``ref`` names something that is not a document."""

    why: str
    id: Any = None
    ref: str | None = None

    @property
    def place(self) -> str:
        """Return ``ref``, or the _id as text: strings, numbers and ObjectIds plain, other BSON types by their names."""
        if self.ref is not None:
            return self.ref
        plain = isinstance(self.id, str | int | float | ObjectId) and not isinstance(self.id, bool)
        return str(self.id) if plain else render(self.id)

    def as_json(self) -> dict[str, str]:
        """``{"_id": …, "why": …}`` or ``{"ref": …, "why": …}``, as in reports/validation.json."""
        return {"_id" if self.ref is None else "ref": self.place, "why": self.why}


@dataclass(frozen=True)
class Outcome:
    """The findings of a check for one rule.

    ``examined`` and ``violations`` are exact counts of the same kind of thing; ``samples`` is bounded and a subset of
    what is broken; ``skipped`` is the reason when nothing could be examined; ``evidence`` is what a reader may want
    to see besides (a statistic, a plan, a definition).
    """

    examined: int = 0
    violations: int = 0
    samples: tuple[Sample, ...] = ()
    skipped: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


#: The beginning of the reason if all violations are in the baseline (conformance/run/baseline.py).
KNOWN: Final = "known: "


@dataclass(frozen=True)
class Result:
    """One rule's outcome, evaluated; ``why`` and ``fix`` are the rule's, for the reports that people read.

    ``known`` counts the violations that are in the baseline of the run. ``headline`` says what was found in one line;
    if it is empty, the reports make one.
    """

    id: str
    title: str
    severity: Severity
    status: Status
    examined: int
    violations: int
    samples: tuple[Sample, ...]
    reason: str | None
    evidence: Mapping[str, Any]
    duration_s: float
    why: str = ""
    fix: str = ""
    known: int = 0
    headline: str = ""

    @property
    def family(self) -> str:
        """First part of the id."""
        return id_parts(self.id)[0]

    @property
    def accepted(self) -> bool:
        """True if there are violations and the baseline has all of them."""
        return 0 < self.violations == self.known

    @property
    def new(self) -> int:
        """Violations that are not in the baseline; all of them in a run without one."""
        return self.violations - self.known

    @property
    def collection(self) -> str:
        """Second part of the id: a collection, or _database or _config; `zava inspect` quotes other characters."""
        return unquote(id_parts(self.id)[1])

    @property
    def subject(self) -> str:
        """Last part of the id."""
        return id_parts(self.id)[2]

    def as_json(self) -> dict[str, Any]:
        """Return the result as it stands in reports/validation.json."""
        return {
            "id": self.id,
            "family": self.family,
            "collection": self.collection,
            "subject": self.subject,
            "severity": self.severity,
            "status": self.status,
            "examined": self.examined,
            "violations": self.violations,
            "samples": [sample.as_json() for sample in self.samples],
            "title": self.title,
            "reason": self.reason,
            "evidence": dict(self.evidence),
            "duration_s": round(self.duration_s, 4),
            **({"known": self.known} if self.known else {}),
        }


@dataclass(frozen=True)
class TargetInfo:
    """The validated database; ``uri`` has no password."""

    uri: str
    database: str
    server_version: str
    embedded: bool

    def describe(self) -> str:
        """One line that names the validated database, and whether it is on the embedded server."""
        kind = "embedded, generated data" if self.embedded else "named server"
        return f"{self.database} on {self.uri} (MongoDB {self.server_version}, {kind})"


@dataclass(frozen=True)
class Report:
    """One whole run; ``measured`` is what its pictures are drawn from (conformance/run/measurements.py).

    ``partition`` says of a part of a run which one it is, and is None of a whole one. ``baseline`` names the file that
    the run was compared with. ``doubt`` says why model and database may not belong together.
    """

    target: TargetInfo
    seed: int
    started_at: str
    duration_s: float
    command: str
    counts: Mapping[str, int]
    results: Sequence[Result]
    measured: Mapping[str, Any] = field(default_factory=dict)
    partition: Mapping[str, Any] | None = None
    baseline: str | None = None
    doubt: str | None = None

    def number(self, status: Status) -> int:
        """Return how many rules have the status."""
        return sum(result.status == status for result in self.results)

    @property
    def new_warnings(self) -> int:
        """Warned rules with a violation that no baseline knows."""
        return sum(result.status == "warned" and not result.accepted for result in self.results)

    @property
    def accepted(self) -> int:
        """Rules whose violations are all in the baseline."""
        return sum(result.accepted for result in self.results)

    @property
    def known(self) -> int:
        """Violations that are in the baseline."""
        return sum(result.known for result in self.results)

    @property
    def violations(self) -> int:
        """Violations of all failed and warned rules."""
        return sum(result.violations for result in self.results)

    @property
    def quality_score(self) -> float:
        """100 x weight of passed / weight of run rules (error 3, warning 1); 99.9 at most when anything failed."""
        return quality_score(self.results)

    @property
    def conformant(self) -> bool:
        """True when no rule failed or erred and at least one passed."""
        return not self.number("failed") and not self.number("error") and bool(self.number("passed"))

    def exit_code(self, *, strict: bool = False) -> int:
        """0 conformant; 1 findings (with ``strict`` new warnings too); 3 when rules erred or none could be run."""
        if self.number("failed") or (strict and self.new_warnings):
            return exit_codes.FINDINGS
        if self.conformant or (self.number("warned") and not self.number("error")):
            return exit_codes.CONFORMANT
        return exit_codes.NO_VERDICT

    def as_json(self) -> dict[str, Any]:
        """Return the content of reports/validation.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "target": {
                "uri": self.target.uri,
                "database": self.target.database,
                "server_version": self.target.server_version,
                "embedded": self.target.embedded,
            },
            "run": {
                "seed": self.seed,
                "started_at": self.started_at,
                "duration_s": round(self.duration_s, 3),
                "command": self.command,
                **({} if self.baseline is None else {"baseline": self.baseline}),
                **({} if self.doubt is None else {"doubt": self.doubt}),
            },
            "summary": {
                "rules": len(self.results),
                "passed": self.number("passed"),
                "failed": self.number("failed"),
                "warned": self.number("warned"),
                "skipped": self.number("skipped"),
                "errors": self.number("error"),
                "documents": sum(self.counts.values()),
                "violations": self.violations,
                "quality_score": self.quality_score,
            },
            "counts": dict(self.counts),
            "measured": dict(self.measured),
            "rules": [result.as_json() for result in self.results],
            **({} if self.partition is None else {"partition": dict(self.partition)}),
        }


def report_from_json(content: Mapping[str, Any]) -> Report:
    """Return the report that `Report.as_json` wrote; ids of samples are text, and why and fix are empty."""
    target, run = content["target"], content["run"]
    return Report(
        target=TargetInfo(target["uri"], target["database"], target["server_version"], target["embedded"]),
        seed=run["seed"],
        started_at=run["started_at"],
        duration_s=run["duration_s"],
        command=run["command"],
        counts=content["counts"],
        results=[_result_from_json(entry) for entry in content["rules"]],
        measured=content.get("measured", {}),
        partition=content.get("partition"),
        baseline=run.get("baseline"),
        doubt=run.get("doubt"),
    )


def _result_from_json(entry: Mapping[str, Any]) -> Result:
    samples = tuple(Sample(sample["why"], sample.get("_id"), sample.get("ref")) for sample in entry["samples"])
    plain = ("id", "title", "severity", "status", "examined", "violations", "reason", "duration_s")
    values = {name: entry[name] for name in plain}
    return Result(samples=samples, evidence=entry.get("evidence", {}), known=entry.get("known", 0), **values)


def quality_score(results: Iterable[Result]) -> float:
    """Percent, one decimal, rounded down: see Report.quality_score. 0.0 when no rule was run."""
    run = [result for result in results if result.status != "skipped"]
    whole = sum(WEIGHT[result.severity] for result in run)
    if not whole:
        return 0.0
    passed = sum(WEIGHT[result.severity] for result in run if result.status == "passed")
    score = int(1000 * passed / whole) / 10
    return min(score, 99.9) if passed < whole else 100.0
