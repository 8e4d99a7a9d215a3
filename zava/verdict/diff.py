"""zava diff and trend: two saved runs beside each other, and how the last ones went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.errors import ConfigurationError
from conformance.report import json_file
from conformance.report.history import Trend, saved_runs, sparkline, trend
from conformance.report.summary import verdict
from conformance.report.text import unpadded
from conformance.results import Report, Result, report_from_json
from conformance.run.compare import Change, Difference, difference
from conformance.text.visible import visible
from zava.terminal.console import Json, notice, project_of

_HEADINGS: Final = {
    "new": "Newly broken",
    "worse": "Broken, and more than before",
    "still": "Still broken",
    "fixed": "Fixed",
    "lost": "No longer evaluated",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(diff)
    app.command("trend")(show_trend)


def diff(
    context: typer.Context,
    before: Annotated[Path | None, typer.Argument(help="The earlier validation.json; default: the run before.")] = None,
    after: Annotated[Path | None, typer.Argument(help="The later one; default: the newest in reports/.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on new warnings, too.")] = False,
    as_json: Json = False,
) -> None:
    """List rules that are newly broken, fixed and still broken between two runs; exit 1 if anything is new or worse.

    Example: zava diff monday.json tuesday.json
    """
    found = difference(*_pair(context, before, after))
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False))
    else:
        for line in _lines(found):
            typer.echo(line)
    raise typer.Exit(found.exit_code(strict=strict))


def _pair(context: typer.Context, before: Path | None, after: Path | None) -> tuple[Report, Report]:
    if before is None:
        reports = project_of(context).reports
        runs = trend(saved_runs(reports), last=2).runs
        if len(runs) < 2:
            raise ConfigurationError(
                f"{reports / 'history'}: fewer than two saved runs of one target; validate with --reports"
                f" {reports} twice, or name two files"
            )
        return runs[0], runs[1]
    later = after or project_of(context).reports / json_file.NAME
    return report_from_json(json_file.load(before)), report_from_json(json_file.load(later))


def _lines(found: Difference) -> Iterator[str]:
    for name, run in (("before", found.before), ("after", found.after)):
        against = f", baseline {visible(run.baseline)}" if run.baseline else ""
        yield f"{name:7} {run.started_at}  {visible(run.target.describe())}{against}"
    for name, changes in found.lists():
        if changes:
            yield f"\n{_HEADINGS[name]} ({len(changes)})"
            yield from (
                f"  {change.result.id}: {_numbers(change)}  {visible(change.result.title)}" for change in changes
            )
    if found.counts:
        yield "\nDocuments"
        for name, (old, now) in found.counts.items():
            change = f" ({now - old:+,})" if old is not None and now is not None else ""
            yield f"  {visible(name)}: {_number(old)} -> {_number(now)}{change}"
    if not found.counts and not any(changes for _, changes in found.lists()):
        yield "\nNothing changed"
    yield f"\nQuality score {found.before.quality_score} -> {found.after.quality_score}"


def _numbers(change: Change) -> str:
    old, now = (_violations(result) for result in (change.before, change.after))
    return old if old == now else f"{old} -> {now}"


def _violations(result: Result | None) -> str:
    if result is None:
        return "not there"
    if result.status not in ("passed", "failed", "warned"):
        return result.status
    return f"{result.violations:,}" + (f" ({result.known:,} known)" if result.known else "")


def _number(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def show_trend(
    context: typer.Context,
    last: Annotated[int, typer.Option(help="Number of runs to show, newest first.", min=2, max=50)] = 20,
    as_json: Json = False,
) -> None:
    """Show the verdicts, scores and broken rules of the saved runs in reports/history.

    Example: zava trend --last 10
    """
    reports = project_of(context).reports
    found = trend(saved_runs(reports), last)
    if not found.runs:
        raise ConfigurationError(f"{reports / 'history'}: no saved run; validate with --reports {reports}")
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1))
        return
    _show(found)
    if found.elsewhere:
        notice(f"{found.elsewhere} saved runs of other targets are left out")


def _show(found: Trend) -> None:
    with unpadded(Console(highlight=False, emoji=False, markup=False)) as console:
        _print(found, console)


def _print(found: Trend, console: Console) -> None:
    runs = Table(box=None, pad_edge=False)
    runs.add_column("Started", no_wrap=True)
    runs.add_column("Verdict", overflow="fold")
    for name in ("Score", "Violations", "Documents"):
        runs.add_column(name, justify="right", no_wrap=True)
    for run in found.runs:
        overall = verdict(run)
        shown = (f"{run.quality_score}", f"{run.violations:,}", f"{sum(run.counts.values()):,}")
        runs.add_row(run.started_at, Text(overall.headline, "green" if overall.word == "CONFORMANT" else "red"), *shown)
    console.print(runs)
    console.print(f"\n{sparkline([run.violations for run in found.runs])} {found.runs[-1].violations:>8,} violations")
    for rule, numbers in found.broken.items():
        console.print(f"{sparkline(numbers)} {_number(numbers[-1]):>8} {rule}", soft_wrap=True)
