"""The parts of a run merged: the same results as those of a run in one process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from conformance.checks.base import LISTED_IN_EVIDENCE, Rule
from conformance.errors import ConfigurationError
from conformance.results import Outcome, Report, Result
from conformance.run.runner import to_result


def merged(rules: Iterable[Rule], parts: Sequence[Sequence[Result]], sample_size: int) -> list[Result]:
    """Return the results of all parts, which stand in the order of their numbers, in the order of the rules.

    Of a rule that every part answered, examined and violations are sums, and samples the first ones of the whole, for
    each part's come in the order of their keys. A rule that one part answered stands as it is. Raises ValueError when
    only some parts have answered a rule.
    """
    found: dict[str, list[Result]] = {}
    for results in parts:
        for result in results:
            found.setdefault(result.id, []).append(result)
    return [_one(rule, found[rule.id], len(parts), sample_size) for rule in rules if rule.id in found]


def _one(rule: Rule, results: list[Result], parts: int, sample_size: int) -> Result:
    if len(results) not in (1, parts):
        raise ValueError(f"{rule.id} is in {len(results)} of {parts} parts; run all parts with the same options")
    # A part without documents has skipped what others have examined.
    evaluated = [result for result in results if result.status != "skipped"]
    whole = next((result for result in results if result.status == "error" or len(results) == 1), None)
    if whole is not None:
        return replace(whole, why=rule.why, fix=rule.fix)
    evidence = _united([result.evidence for result in results])
    if not evaluated:
        return replace(results[0], evidence=evidence, why=rule.why, fix=rule.fix)
    samples = [sample for result in evaluated for sample in result.samples]
    outcome = Outcome(
        sum(result.examined for result in evaluated),
        sum(result.violations for result in evaluated),
        tuple(samples[:sample_size]),
        evidence=evidence,
    )
    return to_result(rule, outcome, sum(result.duration_s for result in results))


def _united(values: Sequence[Any]) -> Any:
    """Return the evidence of all parts as that of the whole: numbers are sums, lists begin with the first part's."""
    first = values[0]
    if all(isinstance(value, Mapping) for value in values):
        names = dict.fromkeys(name for value in values for name in value)
        return {name: _united([value[name] for value in values if name in value]) for name in names}
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value][:LISTED_IN_EVIDENCE]
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return sum(values)
    return first


def merged_report(rules: Sequence[Rule], reports: Mapping[Path, Report]) -> Report:
    """Return the report of a whole run, of the reports of all its parts by their file; pictures have no figures.

    Raises ConfigurationError, one line, when a part is missing or given twice, or when they are not of one run over the
    same data: other counts, or ranges that do not meet.
    """
    ordered = sorted(reports.items(), key=lambda item: (item[1].partition or {}).get("number", 0))
    (first_file, first), *_ = ordered
    for file, report in ordered:
        if report.partition is None:
            _refuse(file, "is a whole run, no part of one; write parts with zava validate --partition K/N")
        if (report.target, report.seed, report.counts) != (first.target, first.seed, first.counts):
            _refuse(file, f"is from another database or other documents than {first_file}; run all parts again")
    partitions: list[Mapping[str, Any]] = [report.partition for _, report in ordered if report.partition]
    of = partitions[0]["of"]
    wanted = [(number, of, partitions[0]["samples"]) for number in range(1, of + 1)]
    given = [(one["number"], one["of"], one["samples"]) for one in partitions]
    if given != wanted:
        parts_text = ", ".join(f"{number}/{all_}" for number, all_, _ in given)
        _refuse(first_file, f"each of the N parts must be given once, with the same --sample; found {parts_text}")
    for (_, before), (file, after) in pairwise(ordered):
        _meet(before, after, file)
    known = {rule.id for rule in rules}
    foreign = next((result.id for _, report in ordered for result in report.results if result.id not in known), None)
    if foreign is not None:
        _refuse(first_file, f"the model has no rule {foreign}; merge with the model that the parts were run with")
    try:
        results = merged(rules, [report.results for _, report in ordered], partitions[0]["samples"])
    except ValueError as error:
        _refuse(first_file, str(error))
    took = max(report.duration_s for _, report in ordered)
    return replace(first, results=results, duration_s=took, partition=None)


def _meet(before: Report, after: Report, file: Path) -> None:
    """Every range of the one ends where the other's begins."""
    ends = {name: keys.get("$lt") for name, keys in (before.partition or {})["ranges"].items()}
    begins = {name: keys.get("$gte") for name, keys in (after.partition or {})["ranges"].items()}
    odd = next((name for name in sorted(ends.keys() | begins.keys()) if ends.get(name) != begins.get(name)), None)
    if odd is not None:
        _refuse(file, f"the key ranges of {odd} are not contiguous because the data changed; run all parts again")


def _refuse(file: Path, what: str) -> NoReturn:
    raise ConfigurationError(f"{file}: {what}")
