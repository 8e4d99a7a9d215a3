"""The summary for a terminal: the target and the verdict first, what is broken and its fix, the report paths last."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from conformance.report.counts import counts
from conformance.report.findings import Finding, Kind, findings
from conformance.report.headline import amount, counted_documents
from conformance.report.summary import SCORE_MEANING, score_formula, skip_reasons, tallies, verdict, when
from conformance.results import Report, Result, Sample, Status
from conformance.text.visible import CODE, visible

_STYLES: Final[Mapping[Status | Kind, str]] = {
    "failed": "bold red", "error": "bold magenta", "warned": "yellow", "skipped": "dim", "passed": "green",
    "known": "yellow",
}  # fmt: skip
_VERDICT_STYLES: Final = {"CONFORMANT": "bold green", "NOT CONFORMANT": "bold red", "INCOMPLETE": "bold magenta"}
_HEADINGS: Final[Mapping[Kind, str]] = {
    "failed": "Broken", "error": "Could not be run", "warned": "Warnings", "known": "Known: accepted",
}  # fmt: skip
#: Rules named for one reason of a skip; the other reports name all.
_NAMED: Final = 10
#: A width at which no line is wrapped: where the text does not go to a terminal, a line is kept whole.
WHOLE_LINES: Final = 100_000
#: Characters of the command that the report shows.
_COMMAND_LENGTH: Final = 2_000
_COLUMNS: Final[tuple[Status, ...]] = ("passed", "failed", "warned", "skipped", "error")


def render(report: Report, *, paths: Mapping[str, Path] | None = None, strict: bool = False, width: int = 100) -> str:
    """Return the summary as plain text without colour codes, no line of prose wider than ``width``."""
    buffer = io.StringIO()
    with unpadded(Console(file=buffer, force_terminal=False), width) as plain:
        _print(report, plain, paths, strict)
    return buffer.getvalue()


@contextmanager
def unpadded(console: Console, width: int = WHOLE_LINES) -> Iterator[Console]:
    """Yield a console to print on; if ``console`` is not a terminal, it gets plain text without padded lines.

    Its lines are wrapped at ``width`` then, which is none by default: a reader such as grep looks for whole lines.
    """
    if console.is_terminal:
        yield console
        return
    buffer = io.StringIO()
    yield Console(
        file=buffer, width=width, color_system=None, force_terminal=False, highlight=False, emoji=False,
        markup=False,
    )  # fmt: skip
    console.file.write("".join(f"{line.rstrip()}\n" for line in buffer.getvalue().split("\n")[:-1]))


def show(report: Report, console: Console, *, paths: Mapping[str, Path] | None = None, strict: bool = False) -> None:
    """Print the summary to a console: with colours on a terminal, else as plain text without padding.

    ``paths`` are the reports that were written, by what they are called; they are printed last, unwrapped.
    """
    with unpadded(console) as plain:
        _print(report, plain, paths, strict)


def _print(report: Report, console: Console, paths: Mapping[str, Path] | None, strict: bool) -> None:
    overall = verdict(report, strict=strict)
    console.print(Text(visible(report.target.describe())), overflow="fold")
    console.print(Text.assemble((overall.headline, _VERDICT_STYLES[overall.word]), ": ", overall.sentence))
    if report.doubt is not None:
        console.print(Text(visible(report.doubt), "bold yellow"))
    console.print(Text(f"{when(report)}: {visible(report.command, _COMMAND_LENGTH)}", "dim"), overflow="fold")
    for block in (_counts(report), *_inspected(report), _families(report), *_findings(report), *_skipped(report)):
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
    """One result as plain text: what is broken, samples, what it means and how to fix it."""
    return "\n".join("  " * (depth - 1) + line for depth, line, _ in _finding_lines(Finding((result,))))


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
            ": ".join(filter(None, (visible(count.expectation) if count.expectation else "", count.difference))),
        )
    return table


def _inspected(report: Report) -> Iterator[RenderableType]:
    """Yield what an inspection proposes for each collection: id mapping, references, soft-delete flag."""
    inspected = report.measured.get("inspected")
    if inspected:
        lines = (line for name, found in inspected.items() for line in _proposals(name, found))
        yield Group(Text("Proposed by the data", "bold"), _indented(lines))


def _proposals(name: str, found: Mapping[str, Any]) -> Iterator[tuple[int, str, str]]:
    keys, flags = (", ".join(map(visible, found[kind])) for kind in ("id_candidates", "soft_delete"))
    yield 1, f"{visible(name)}: {len(found['paths']):,} paths", ""
    mapping = f"id mapping by {keys}" if keys else "no field can make the device's _id; see the findings"
    yield 2, mapping + (f"; soft delete by {flags}" if flags else ""), "dim"
    for path, target in found["references"].items():
        yield 2, f"{visible(path)} refers to {visible(target)}", "dim"


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
    for kind, listed in findings(report).items():
        if listed:
            lines = (_indented(_finding_lines(one)) for finding in listed for one in finding.walk())
            yield Group(Text(_HEADINGS[kind], _STYLES[kind]), *lines)


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


def _finding_lines(found: Finding) -> Iterator[tuple[int, str, str]]:
    """Depth, text and style of each line."""
    first, depth = found.first, 2 if found.relation else 1
    yield depth, visible(found.headline), "bold"
    if found.relation:
        yield depth + 1, f"Follows: {visible(found.relation)}", ""
    yield depth + 1, f"Rule: {found.rule}: {_plain(found.requirement)}", ""
    if first.reason and first.status != "error":
        yield depth + 1, _plain(first.reason), ""
    yield from ((depth + step, line, style) for step, line, style in _found_lines(found))
    if first.why:
        yield depth + 1, f"Means: {_plain(first.why)}", ""
    if first.fix:
        yield depth + 1, f"Fix: {_plain(first.fix)}", ""


def _found_lines(found: Finding) -> Iterator[tuple[int, str, str]]:
    """Yield how much is broken, and samples; a setting that is not as it should be needs no more than its headline."""
    first = found.first
    if len(found.results) > 1:
        yield 1, "In: " + ", ".join(_place(result) for result in found.results), ""
    elif first.violations and [f"{_name(sample)}: {sample.why}" for sample in first.samples] != [found.headline]:
        yield 1, f"Found: {amount(first)}{_shown(first)}", _STYLES[found.kind]
        for sample in first.samples:
            yield 2, f"{_name(sample)}: {visible(sample.why)}", ""


def _place(result: Result) -> str:
    documents = result.samples and all(sample.ref is None for sample in result.samples)
    return f"{result.collection} ({amount(result)})" if documents else result.collection


def _plain(text: str) -> str:
    """Text of a rule for a terminal, which has no code font: without the backticks."""
    return visible(CODE.sub(r"\1", text))


def _shown(result: Result) -> str:
    if counted_documents(result):
        return ":" if result.samples else ""
    more = result.violations > len(result.samples) > 0
    return f", {len(result.samples)} of them:" if more else ":" if result.samples else ""


def _name(sample: Sample) -> str:
    return visible(sample.place, limit=120)
