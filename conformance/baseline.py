"""A baseline: the violations that a team knows of, so that a run fails only on what is new.

The file holds, for each broken rule, how many violations it had and the ids of up to LIMIT of them. A violation is new
when its id is not among them; of rules with more violations than that, only an increase of the number counts as new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from conformance.errors import ConfigurationError
from conformance.reading import read_json
from conformance.results import KNOWN, Result, Sample

#: Ids kept per rule; a run against a baseline collects as many samples.
LIMIT: Final = 10_000


class Known(BaseModel):
    """What is known of one rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    violations: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Results judged against a baseline, and the rules whose known violations have become fewer or none."""

    results: list[Result]
    fixed: Mapping[str, int]


def record(results: Sequence[Result]) -> str:
    """The baseline file for these results, which must have been run with LIMIT samples."""
    broken = {
        result.id: {"violations": result.violations, "ids": sorted(_name(sample) for sample in result.samples)}
        for result in results
        if result.status in ("failed", "warned")
    }
    return json.dumps({"schema_version": 1, "rules": broken}, indent=1) + "\n"


def load(path: Path) -> dict[str, Known]:
    """The known violations by rule id; ConfigurationError, one line, for a file that is no baseline."""
    if not path.exists():
        raise ConfigurationError(f"{path}: there is no such baseline; make one with --update-baseline")
    content = read_json(path)
    try:
        return {rule_id: Known.model_validate(known) for rule_id, known in content["rules"].items()}
    except (ValidationError, KeyError, TypeError, AttributeError):
        raise ConfigurationError(f"{path}: not a baseline; make it anew with --update-baseline") from None


def compare(results: Sequence[Result], known: Mapping[str, Known], shown: int) -> Comparison:
    """Judge each broken rule by what is new in it; at most ``shown`` samples are kept, new ones first.

    A rule whose violations are all known becomes a warning that says so.
    """
    judged = [_judged(result, known.get(result.id), shown) for result in results]
    fixed: dict[str, int] = {}
    for result in results:
        before = known.get(result.id)
        if before is not None and result.status in ("passed", "failed", "warned"):
            gone = _gone(result, before)
            if gone:
                fixed[result.id] = gone
    return Comparison(judged, fixed)


def _judged(result: Result, before: Known | None, shown: int) -> Result:
    if result.status not in ("failed", "warned") or before is None:
        return replace(result, samples=result.samples[:shown])
    new = [sample for sample in result.samples if _name(sample) not in before.ids]
    complete = len(before.ids) == before.violations and len(result.samples) == result.violations
    number = len(new) if complete else max(result.violations - before.violations, 0)
    if number:
        samples = tuple([*new, *(s for s in result.samples if s not in new)][:shown])
        return replace(result, samples=samples, reason=f"{number} new, {before.violations} in the baseline")
    reason = f"{KNOWN}all {result.violations} are in the baseline"
    return replace(result, status="warned", samples=result.samples[:shown], reason=reason)


def _gone(result: Result, before: Known) -> int:
    if len(before.ids) == before.violations and len(result.samples) == result.violations:
        return len(set(before.ids) - {_name(sample) for sample in result.samples})
    return max(before.violations - result.violations, 0)


def _name(sample: Sample) -> str:
    named: Any = sample.id if sample.ref is None else sample.ref
    return str(named)
