"""Every violation of the broken rules, in files of JSON lines: reports show samples only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bson import json_util

from conformance.checks.base import Context, Rule
from conformance.checks.document_scan import DocumentTest, violating
from conformance.errors import ConfigurationError
from conformance.results import Result, Sample
from conformance.text.masking import mask


def write_violations(
    context: Context, rules: Sequence[Rule], results: Sequence[Result], folder: Path
) -> dict[str, int]:
    """Write ``<rule id>.ndjson`` for each broken rule, a line per violation; return the numbers of lines by rule.

    A line is ``{"_id": …, "why": …}`` with the id in extended JSON, or ``{"ref": …, "why": …}``. Documents are read
    again, one at a time: memory does not grow with their number, except for rules that compare collections, which hold
    their violations. Files of an earlier run are removed. Raises ConfigurationError when a file cannot be written.
    """
    by_id = {rule.id: rule for rule in rules}
    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for rule in rules:
            (folder / _name(rule.id)).unlink(missing_ok=True)
        for result in results:
            if result.violations and result.id in by_id:
                written[result.id] = _write(folder / _name(result.id), _violations(context, by_id[result.id], result))
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: cannot be written: {error.strerror}; make room, correct its permissions, or choose another"
        ) from None
    return written


def _name(rule_id: str) -> str:
    return f"{rule_id}.ndjson"


def _write(path: Path, violations: Iterator[Sample]) -> int:
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for number, violation in enumerate(violations, start=1):  # noqa: B007 - the last one is the result
            file.write(_line(violation) + "\n")
    return number


def _line(violation: Sample) -> str:
    named = {"_id": violation.id} if violation.ref is None else {"ref": mask(violation.ref)}
    content = {**named, "why": mask(violation.why)}
    return json.dumps(json.loads(json_util.dumps(content, json_options=json_util.RELAXED_JSON_OPTIONS)))


def _violations(context: Context, rule: Rule, result: Result) -> Iterator[Sample]:
    if isinstance(rule.check, DocumentTest):
        yield from violating(context, rule, rule.check)
        return
    yield from rule.check(replace(context, sample_size=result.violations), [rule])[rule.id].samples
