"""Results of an inspection: the same values that rules yield, with ids that hold any collection's and field's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from conformance.inspection.profile import Path
from conformance.results import Result, Sample, Severity


def result_id(family: str, collection: str, aspect: str, path: Path = ()) -> str:
    """``family.collection.aspect`` or ``family.collection.aspect:path``, each part quoted as in an address."""
    steps = [step if isinstance(step, str) else _quoted(step[0]) for step in path]
    return f"{family}.{_quoted(collection)}.{aspect}{':' if steps else ''}{'/'.join(steps)}"


def _quoted(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E") or "%00"


def holds(
    identity: str, title: str, severity: Severity, examined: int, evidence: Mapping[str, Any] | None = None
) -> Result:
    """Return a result without a finding; skipped when there was nothing to examine."""
    status, reason = ("passed", None) if examined else ("skipped", "there are no documents")
    return Result(identity, title, severity, status, examined, 0, (), reason, evidence or {}, 0.0)  # type: ignore[arg-type]


def unknown(identity: str, title: str, severity: Severity, reason: str) -> Result:
    """Return a result for what could not be examined."""
    return Result(identity, title, severity, "skipped", 0, 0, (), reason, {}, 0.0)


def finding(
    identity: str,
    title: str,
    severity: Severity,
    *,
    headline: str,
    examined: int,
    violations: int,
    samples: Iterable[Sample],
    why: str,
    fix: str,
    evidence: Mapping[str, Any] | None = None,
) -> Result:
    """Return a result with a finding: failed for an error, warned for a warning."""
    shown: Sequence[Sample] = tuple(samples)
    return Result(
        identity,
        title,
        severity,
        "failed" if severity == "error" else "warned",
        examined,
        violations,
        tuple(shown),
        None,
        evidence or {},
        0.0,
        why,
        fix,
        headline=headline,
    )
