"""zava validate --watch: the verdict, kept up to date in a terminal or line by line."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from conformance.errors import TargetError
from conformance.report.headline import amount
from conformance.report.summary import verdict, with_status
from conformance.results import Report, Result
from conformance.run.watch import Changes, Verdict, Watch
from conformance.text.visible import visible
from zava.terminal.console import notice
from zava.terminal.output import abandoned

#: Verdicts remembered in the terminal, and findings shown there.
_REMEMBERED: Final = 8
_SHOWN: Final = 15


def follow(watch: Watch, *, as_json: bool, strict: bool) -> int:
    """Show every verdict until Ctrl-C or SIGTERM; the exit code of the last.

    In a terminal the view stays in place. Elsewhere each verdict is a line, with ``as_json`` a JSON object. Raises
    TargetError when it was stopped before there was any verdict.
    """
    last: Report | None = None
    shown = _Lines(as_json, strict) if as_json or not sys.stdout.isatty() else _View(strict)
    try:
        with _interruptible(), shown.running(watch):
            for each in watch.verdicts():
                last = each.report
                shown.show(each)
                if abandoned():
                    break
    except KeyboardInterrupt:
        notice("stopped")
    if last is None:
        raise TargetError("stopped before the verdict; run again and let it finish")
    return last.exit_code(strict=strict)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM end the watching, not the program: what is open is closed, and the verdict counts."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def what(changes: Changes) -> str:
    """Return what changed, in words."""
    if changes.everything:
        return "everything"
    names = [*sorted(changes.collections), *(["the collections themselves"] if changes.listed else [])]
    return f"{', '.join(names)} ({changes.events:,} change{'s' if changes.events != 1 else ''})"


def _line(each: Verdict, strict: bool, target: str = "") -> str:
    """Return one verdict as a line: when, which ``target``, how many rules ran, what broke and was fixed."""
    parts = [f"{each.report.started_at} {target}{verdict(each.report, strict=strict).headline}"]
    parts.append(
        f"{each.evaluated} rules evaluated after {what(each.changes)}"
        if each.since
        else f"{each.evaluated} rules evaluated"
    )
    broken = each.since.new if each.since else ()
    names = [change.result.id for change in broken] if each.since else [r.id for r in _broken(each.report)]
    parts += [f"broken: {', '.join(names)}"] if names else []
    fixed = [change.result.id for change in each.since.fixed] if each.since else []
    parts += [f"fixed: {', '.join(fixed)}"] if fixed else []
    return "; ".join(parts)


def _broken(report: Report) -> list[Result]:
    return [*with_status(report, "failed"), *with_status(report, "error"), *with_status(report, "warned")]


class _Lines:
    """For a pipe or a file."""

    def __init__(self, as_json: bool, strict: bool) -> None:
        self._as_json = as_json
        self._strict = strict

    @contextmanager
    def running(self, watch: Watch) -> Iterator[None]:
        """Tell on stderr when the server is away."""
        watch.away = lambda reason: notice(f"the server does not answer: {reason}; waiting for it")
        yield

    def show(self, each: Verdict) -> None:
        """Print it, at once."""
        target = f"{visible(each.report.target.describe())}: "
        typer.echo(json.dumps(self._content(each)) if self._as_json else _line(each, self._strict, target))
        sys.stdout.flush()

    def _content(self, each: Verdict) -> dict[str, object]:
        lists = dict(each.since.lists()) if each.since else {}
        return {
            "at": each.report.started_at,
            "target": each.report.target.describe(),
            "verdict": verdict(each.report, strict=self._strict).word,
            "changed": {"collections": sorted(each.changes.collections), "events": each.changes.events},
            "judged": each.evaluated,
            "summary": each.report.as_json()["summary"],
            "broken": [{"id": result.id, "violations": result.violations} for result in _broken(each.report)],
            "new": [change.result.id for change in lists.get("new", ())],
            "fixed": [change.result.id for change in lists.get("fixed", ())],
        }


class _View:
    """For a terminal: what is broken now, and what happened last."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._last: Verdict | None = None
        self._history: deque[str] = deque(maxlen=_REMEMBERED)
        self._doing = "evaluating all rules"
        self._left = 0

    @contextmanager
    def running(self, watch: Watch) -> Iterator[None]:
        """Keep the view in place until the watching ends; leave the last one on the screen."""
        with Live(console=Console(highlight=False, emoji=False), refresh_per_second=4, get_renderable=self._rendered):
            watch.away, watch.expect, watch.evaluated = self._away, self._expect, self._evaluated
            yield

    def show(self, each: Verdict) -> None:
        """Take it over."""
        self._last = each
        self._history.append(_line(each, self._strict))
        self._doing = "watching; Ctrl-C ends it"

    def _away(self, reason: str) -> None:
        self._doing = f"the server does not answer: {visible(reason)}; waiting for it"

    def _expect(self, number: int) -> None:
        self._left = number
        self._doing = f"evaluating {number} rules"

    def _evaluated(self, _: Result) -> None:
        self._left -= 1
        self._doing = f"evaluating, {self._left} rules left" if self._left else self._doing

    def _rendered(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._last is not None:
            report = self._last.report
            overall = verdict(report, strict=self._strict)
            style = {"CONFORMANT": "bold green", "INCOMPLETE": "bold magenta"}.get(overall.word, "bold red")
            parts.append(Text(visible(report.target.describe()), overflow="ellipsis", no_wrap=True))
            parts.append(
                Text.assemble((overall.headline, style), f": {overall.sentence}. Quality {report.quality_score}")
            )
            parts += self._findings(_broken(report))
            parts += [Text(line, "dim", overflow="ellipsis", no_wrap=True) for line in self._history]
        parts.append(Text(f"{time.strftime('%H:%M:%S')} {self._doing}", "cyan"))
        return Group(*parts)

    def _findings(self, results: Sequence[Result]) -> Iterator[RenderableType]:
        table = Table(box=None, pad_edge=False, show_header=False)
        for result in results[:_SHOWN]:
            why = visible(result.samples[0].why, 80) if result.samples else visible(result.reason or "", 80)
            style = "yellow" if result.status == "warned" else "red"
            table.add_row(
                Text(result.id, style), amount(result) if result.violations else result.status, Text(why, "dim")
            )
        if results:
            yield table
        if len(results) > _SHOWN:
            yield Text(f"and {len(results) - _SHOWN} more", "dim")
