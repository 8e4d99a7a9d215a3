"""reports/validation.html: one file without network for a reviewer, on a phone, on paper, in light and dark.

Everything is escaped by Jinja2 (autoescape). The Content-Security-Policy allows the file's own style and script by
their hashes and nothing else, so what comes from the data could not run even if it were let through.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from conformance.files.packaged import packaged
from conformance.files.writing import write_text
from conformance.report.counts import counts
from conformance.report.find_query import find_query
from conformance.report.findings import Finding, Kind, findings
from conformance.report.headline import amount
from conformance.report.json_file import plain
from conformance.report.pictures import pictures
from conformance.report.pictures.documents import bars
from conformance.report.summary import (
    SCORE_MEANING,
    STATUSES,
    score_formula,
    skip_reasons,
    tallies,
    verdict,
    when,
)
from conformance.results import Report, Result
from conformance.text.visible import CODE, visible

NAME: Final = "validation.html"
_TEMPLATES: Final = packaged(__package__, "templates")
_LABELS: Final = {
    "failed": "Failed",
    "error": "Error",
    "warned": "Warning",
    "skipped": "Not examined",
    "passed": "Passed",
    "known": "Known",
}
_EVIDENCE_LIMIT: Final = 4000
#: Kind of findings, anchor and title of each section.
_SECTIONS: Final[tuple[tuple[Kind, str, str], ...]] = (
    ("failed", "broken", "Broken"),
    ("error", "could-not-be-run", "Could not be run"),
    ("warned", "warnings", "Warnings"),
    ("known", "known", "Known: accepted"),
)
#: Findings named on the first screen.
_HEADLINES: Final = 5
#: Findings listed in a section before the rest is folded away.
_LISTED: Final = 25
#: Positions where a long id can be wrapped.
_BREAKS: Final = re.compile(r"(?<=[._+/:,@-])(?=.)")


def render(report: Report, *, strict: bool = False) -> str:
    """Return the whole HTML document; with ``strict`` warnings break conformance."""
    style, script = _source("picture.css", "validation.css"), _source("validation.js")
    listed, found = counts(report), findings(report)
    broken = [*found["failed"], *found["error"]]
    return _environment().get_template("validation.html.j2").render(
        report=report,
        target=report.target,
        verdict=verdict(report, strict=strict),
        when=when(report),
        counts=listed,
        bars=bars(listed),
        tallies=tallies(report),
        worst=broken[:_HEADLINES],
        unnamed=len(broken[_HEADLINES:]),
        shown=_LISTED,
        sections=[(anchor, _heading(title, found[kind]), found[kind]) for kind, anchor, title in _SECTIONS
                  if found[kind]],
        tiles=_tiles(report),
        pictures=pictures(report),
        inspected=report.measured.get("inspected", {}),
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
        amount=amount,
        prose=_prose,
        breakable=_breakable,
        query=_query,
        evidence=_evidence,
        label=_LABELS.__getitem__,
        examples=_examples,
    )
    return environment


def _source(*names: str) -> str:
    return "\n" + "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _heading(title: str, listed: list[Finding]) -> str:
    """Return the title with the number of findings, and of those that follow from them."""
    number, following = len(listed), sum(1 for root in listed for _ in root.walk()) - len(listed)
    found = f"{title}: {number:,} finding{'' if number == 1 else 's'}"
    return f"{found} and {following:,} that follow{'s' if following == 1 else ''}" if following else found


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    """Eight numbers for the first screen, so that no row has one alone: name, number, and class."""
    warned = sum(result.violations for result in report.results if result.status == "warned")
    shown: list[tuple[str, int, str]] = [
        ("Rules passed", report.number("passed"), "passed"),
        ("Rules failed", report.number("failed"), "failed"),
        ("Errors", report.number("error"), "error"),
        ("Warnings, known" if report.accepted else "Warnings", report.number("warned"), "warned"),
        ("Not examined", report.number("skipped"), "skipped"),
        ("Violations", report.violations - warned, "failed"),
        ("Documents", sum(report.counts.values()), ""),
    ]
    tiles = [(name, f"{number:,}", kind if number else "") for name, number, kind in shown]
    return [*tiles, ("Quality score", f"{report.quality_score}", "")]


def _prose(text: str, limit: int = 300) -> Markup:
    """Text of a rule, with code between backticks as code."""
    shown = str(escape(visible(text, limit)))
    return Markup(CODE.sub(r"<code>\1</code>", shown))  # noqa: S704 - escaped above


def _breakable(text: object, limit: int = 300) -> Markup:
    """Return an id that breaks between its words where the line is too short for it."""
    parts = _BREAKS.split(visible(str(text), limit))
    return Markup("<wbr>").join(parts)


def _query(result: Result) -> str | None:
    """Return the query for the samples that are documents, if any."""
    ids = [sample.id for sample in result.samples if sample.ref is None]
    return find_query(result.collection, ids) if ids else None


def _evidence(result: Result) -> str:
    return visible(json.dumps(plain(result.evidence), ensure_ascii=False), limit=_EVIDENCE_LIMIT)


def _examples(result: Result) -> str:
    """Return the caption of the samples."""
    shown = len(result.samples)
    return f"Examples: {shown} of {result.violations:,}" if result.violations > shown else f"Examples: all {shown}"
