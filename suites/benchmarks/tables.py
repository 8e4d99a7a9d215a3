"""Tables of the benchmarks: printed in Markdown, and saved for docs/PERFORMANCE.md and docs/COMPARISON.md."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

_RATIOS: Final = "Ratios"
_HEADER: Final = ("what", "against", "measured", "aim", "met", "guard")


@dataclass
class Tables:
    """The tables of a run, by title, in the order in which they were begun."""

    _tables: dict[str, tuple[Sequence[str], list[Sequence[str]]]] = field(default_factory=dict)

    def row(self, title: str, header: Sequence[str], *cells: object) -> None:
        """Add a row to the table of that title."""
        self._tables.setdefault(title, (header, []))[1].append([str(cell) for cell in cells])

    def ratio(
        self,
        what: str,
        against: str,
        measured: float,
        *,
        aim: float,
        guard: float,
        at_least: bool = False,
        guarded: float | None = None,
        title: str = _RATIOS,
    ) -> None:
        """Add a ratio to the table of that title, then fail when it is beyond its guard.

        The aim is what is wanted, the guard what a busy machine still keeps; both are bounds above unless
        ``at_least``. The guard holds ``guarded`` where that is given: a ratio of processor seconds, which other
        programs on the machine hardly change.
        """
        held = measured if guarded is None else guarded
        sign, met = (">=", measured >= aim) if at_least else ("<=", measured <= aim)
        kept = held >= guard if at_least else held <= guard
        cells = (f"{measured:.2f}", f"{sign} {aim:g}", "yes" if met else "no", f"{sign} {guard:g}")
        self.row(title, _HEADER, what, against, *cells)
        assert kept, f"{what} against {against}: {held:.2f}, wanted {sign} {guard:g}"

    def saved(self) -> dict[str, list[dict[str, str]]]:
        """Return the rows by title, as docs/figures/ has them."""
        return {
            title: [dict(zip(header, row, strict=True)) for row in rows]
            for title, (header, rows) in self._tables.items()
        }

    def show(self, console: Console) -> None:
        """Print them all, as wide as they are."""
        for title, (header, rows) in self._tables.items():
            table = Table(*header, box=box.MARKDOWN)
            for row in rows:
                table.add_row(*row)
            console.print(f"\n## {title}\n")
            console.print(table)


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def processor_seconds(process: int) -> float:
    """Return what a process and its threads have used of the processors so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def medians(
    *actions: Callable[[], object], rounds: int, budget: float = float("inf"), warm_up: bool = True
) -> list[float]:
    """Return the median time of each action, taken in turns, so that a busy minute is everybody's.

    At most ``rounds`` turns, and none is begun after ``budget`` seconds; with ``warm_up`` one more before, not counted.
    """
    times: list[list[float]] = [[] for _ in actions]
    for action in actions if warm_up else ():
        action()
    started = time.perf_counter()
    for turn in range(rounds):
        if turn and time.perf_counter() - started > budget:
            break
        for taken, action in zip(times, actions, strict=True):
            taken.append(seconds(action))
    return [median(taken) for taken in times]


def megabytes(size: float) -> str:
    """Bytes as a table shows them."""
    return f"{size / 1e6:,.1f} MB"
