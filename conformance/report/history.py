"""The saved runs of reports/history/, and how they went: scores, violations, and the rules that broke."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance.report.json_file import HISTORY_NAME
from conformance.results import SCHEMA_VERSION, Report, report_from_json

_LEVELS: Final = "▁▂▃▄▅▆▇█"
#: Marks a run in which a rule did not run.
_GAP: Final = "·"


@dataclass(frozen=True)
class Trend:
    """Runs of one target, oldest first; ``broken`` has, for each rule that broke in any, its violations in each run.

    None marks a run in which a rule did not run. ``elsewhere`` counts saved runs of other targets or models.
    """

    runs: Sequence[Report]
    broken: Mapping[str, Sequence[int | None]]
    elsewhere: int

    def as_json(self) -> dict[str, Any]:
        """Return the content of `zava trend --json`."""
        return {
            "runs": [
                {
                    "started_at": run.started_at,
                    "exit_code": run.exit_code(),
                    "quality_score": run.quality_score,
                    "violations": run.violations,
                    "baseline": run.baseline,
                    "known": run.known,
                    "documents": sum(run.counts.values()),
                }
                for run in self.runs
            ],
            "broken": {rule: list(numbers) for rule, numbers in self.broken.items()},
            "elsewhere": self.elsewhere,
        }


def saved_runs(reports: Path) -> list[Report]:
    """Every readable run of ``reports``/history, oldest first; files of another format or half a file are left out."""
    folder = reports / "history"
    if not folder.is_dir():
        return []
    paths = sorted(path for path in folder.iterdir() if HISTORY_NAME.fullmatch(path.name))
    return [run for path in paths if (run := _read(path)) is not None]


def trend(runs: Sequence[Report], last: int) -> Trend:
    """Return the ``last`` runs of the newest run's target; an embedded server is one target whatever its port."""
    alike = [run for run in runs if _target(run) == _target(runs[-1])] if runs else []
    shown = alike[-last:]
    broken = sorted({result.id for run in shown for result in run.results if result.status in ("failed", "warned")})
    found = [{result.id: result for result in run.results} for run in shown]
    table = {
        rule: [
            results[rule].violations if rule in results and results[rule].status not in ("skipped", "error") else None
            for results in found
        ]
        for rule in broken
    }
    return Trend(shown, table, len(runs) - len(alike))


def sparkline(numbers: Sequence[float | None]) -> str:
    """One character a number, from ``▁`` for zero to ``█`` for the largest; ``·`` where there is none."""
    largest = max((number for number in numbers if number is not None), default=0) or 1
    top = len(_LEVELS) - 1
    return "".join(
        _GAP if number is None else _LEVELS[min(top, -int(-number * top // largest))]  # rounded up: a few show
        for number in numbers
    )


def _target(run: Report) -> tuple[str, str]:
    return ("" if run.target.embedded else run.target.uri, run.target.database)


def _read(path: Path) -> Report | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return report_from_json(content) if content["schema_version"] == SCHEMA_VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
