"""reports/validation.html: one file without network for a reviewer, on a phone, on paper, in light and dark.

Everything is escaped by Jinja2 (autoescape). The Content-Security-Policy allows the file's own style and script by
their hashes and nothing else, so what comes from the data could not run even if it were let through.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from conformance.report.chart import bars
from conformance.report.counts import counts
from conformance.report.find_query import find_query
from conformance.report.json_file import plain
from conformance.report.pictures import pictures
from conformance.report.summary import (
    SCORE_MEANING,
    STATUSES,
    found,
    score_formula,
    skip_reasons,
    tallies,
    verdict,
    with_status,
)
from conformance.report.visible import visible
from conformance.report.writing import write_text
from conformance.results import Report, Result

NAME: Final = "validation.html"
_TEMPLATES: Final = Path(__file__).with_name("templates")
_LABELS: Final = {
    "failed": "Failed",
    "error": "Error",
    "warned": "Warning",
    "skipped": "Not examined",
    "passed": "Passed",
}
_EVIDENCE_LIMIT: Final = 4000


def render(report: Report, *, strict: bool = False) -> str:
    """The whole HTML document; with ``strict`` warnings break conformance."""
    style, script = _source("picture.css", "validation.css"), _source("validation.js")
    listed = counts(report)
    return _environment().get_template("validation.html.j2").render(
        report=report,
        target=report.target,
        verdict=verdict(report, strict=strict),
        counts=listed,
        bars=bars(listed),
        tallies=tallies(report),
        failing=[*with_status(report, "failed"), *with_status(report, "error")],
        sections=[("Broken", with_status(report, "failed")), ("Could not be run", with_status(report, "error")),
                  ("Warnings", with_status(report, "warned"))],
        pictures=pictures(report),
        not_measured=sorted(report.measured.get("not_measured", {}).items()),
        reasons=skip_reasons(report),
        formula=score_formula(report),
        formula_meaning=SCORE_MEANING,
        statuses=[(status, report.number(status)) for status in STATUSES if report.number(status)],
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'",
    )  # fmt: skip


def write(report: Report, folder: Path, *, strict: bool = False) -> Path:
    """Write ``folder``/validation.html and return its path; ConfigurationError when it cannot be written."""
    write_text(folder / NAME, render(report, strict=strict))
    return folder / NAME


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=visible,
        found=found,
        query=_query,
        evidence=_evidence,
        label=_LABELS.__getitem__,
        examples=_examples,
        anchor=lambda heading: heading.lower().replace(" ", "-"),
    )
    return environment


def _source(*names: str) -> str:
    return "\n" + "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _query(result: Result) -> str | None:
    """The query for the samples that are documents, if any."""
    ids = [sample.id for sample in result.samples if sample.ref is None]
    return find_query(result.collection, ids) if ids else None


def _evidence(result: Result) -> str:
    return visible(json.dumps(plain(result.evidence), ensure_ascii=False), limit=_EVIDENCE_LIMIT)


def _examples(result: Result) -> str:
    """The caption of the samples."""
    shown = len(result.samples)
    return f"Examples: {shown} of {result.violations:,}" if result.violations > shown else f"Examples: all {shown}"
