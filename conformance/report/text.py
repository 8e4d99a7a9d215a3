"""The summary for a terminal: the target and the verdict first, what is broken and its mend, the report paths last."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.report.counts import counts
from conformance.report.summary import SCORE_MEANING, found, score_formula, skip_reasons, tallies, verdict, with_status
from conformance.report.visible import visible
from conformance.results import Report, Result, Sample, Status

_STYLES: Final[Mapping[Status, str]] = {
    "failed": "bold red", "error": "bold magenta", "warned": "yellow", "skipped": "dim", "passed": "green",
}  # fmt: skip
_VERDICT_STYLES: Final = {"CONFORMANT": "bold green", "NOT CONFORMANT": "bold red", "INCOMPLETE": "bold magenta"}
_HEADINGS: Final[Mapping[Status, str]] = {"failed": "Broken", "error": "Could not be run", "warned": "Warnings"}
#: Rules named for one reason of a skip; the other reports name all.
_NAMED: Final = 10
_COLUMNS: Final[tuple[Status, ...]] = ("passed", "failed", "warned", "skipped", "error")


def render(report: Report, *, paths: Mapping[str, Path] | None = None, strict: bool = False, width: int = 100) -> str:
    """The summary as plain text without colour codes, no line of prose wider than ``width``."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, color_system=None, force_terminal=False, highlight=False, emoji=False)
    show(report, console, paths=paths, strict=strict)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def show(report: Report, console: Console, *, paths: Mapping[str, Path] | None = None, strict: bool = False) -> None:
    """Print the summary to a console; rich leaves colours out where the console is no terminal.

    ``paths`` are the reports that were written, by what they are called; they are printed last, unwrapped.
    """
    judged = verdict(report, strict=strict)
    console.print(Text(visible(report.target.describe())), overflow="fold")
    console.print(Text.assemble((judged.headline, _VERDICT_STYLES[judged.word]), ": ", judged.sentence))
    for block in (_counts(report), _families(report), *_findings(report), *_skipped(report)):
        console.print()
        console.print(block)
    console.print()
    console.print(Text(f"Quality score {score_formula(report)}"))
    console.print(Text(f"({SCORE_MEANING})", "dim"))
    if paths:
        console.print()
        for name, path in paths.items():
            console.print(Text(f"{name}: {path}"), soft_wrap=True)


def finding(result: Result) -> str:
    """One result as plain text: what is broken, samples, what it means and how to mend it."""
    return "\n".join("  " * (depth - 1) + line for depth, line, _ in _finding_lines(result))


def _counts(report: Report) -> RenderableType:
    table = Table(box=None, pad_edge=False, title_justify="left")
    table.add_column("Documents", overflow="fold")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("expected", overflow="fold")
    for count in counts(report):
        style = _STYLES[count.status] if count.status in ("failed", "warned") else ""
        table.add_row(
            visible(count.collection),
            Text(f"{count.documents:,}", style),
            visible(count.expectation) if count.expectation else "",
        )
    return table


def _families(report: Report) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    table.add_column("Rules", overflow="fold")
    for status in _COLUMNS:
        table.add_column("errors" if status == "error" else status, justify="right", no_wrap=True)
    for tally in tallies(report):
        numbers = [(tally.number(status), status) for status in _COLUMNS]
        table.add_row(tally.title, *(Text(str(n), _STYLES[status] if n else "dim") for n, status in numbers))
    return table


def _findings(report: Report) -> Iterator[RenderableType]:
    for status, heading in _HEADINGS.items():
        results = with_status(report, status)
        if results:
            yield Group(Text(heading, _STYLES[status]), *(_indented(_finding_lines(result)) for result in results))


def _skipped(report: Report) -> Iterator[RenderableType]:
    reasons = skip_reasons(report)
    if reasons:
        yield Group(Text("Not examined", "bold"), *(_reason(reason, results) for reason, results in reasons))


def _reason(reason: str, results: list[Result]) -> RenderableType:
    ids = ", ".join(result.id for result in results[:_NAMED])
    if len(results) > _NAMED:
        ids += f" and {len(results) - _NAMED} more"
    return _indented([(1, f"{visible(reason)} ({len(results)})", ""), (2, ids, "dim")])


def _indented(lines: Iterable[tuple[int, str, str]]) -> RenderableType:
    return Group(
        *(
            Padding(Text(line, style, overflow="fold"), (0, 0, 0, 2 * depth), expand=False)
            for depth, line, style in lines
        )
    )


def _finding_lines(result: Result) -> Iterator[tuple[int, str, str]]:
    """Depth, text and style of each line."""
    yield 1, f"{result.id}: {visible(result.title)}", "bold"
    if result.reason:
        yield 2, visible(result.reason), ""
    if result.violations:
        yield 2, f"{found(result)}{_shown(result)}", _STYLES[result.status]
    for sample in result.samples:
        yield 3, f"{_name(sample)}: {visible(sample.why)}", ""
    if result.why:
        yield 2, f"Means: {visible(result.why)}", ""
    if result.mend:
        yield 2, f"Mend: {visible(result.mend)}", ""


def _shown(result: Result) -> str:
    more = result.violations > len(result.samples) > 0
    return f", {len(result.samples)} of them:" if more else ":" if result.samples else ""


def _name(sample: Sample) -> str:
    return visible(str(sample.id) if sample.ref is None else sample.ref, limit=120)
