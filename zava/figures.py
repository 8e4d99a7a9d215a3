"""Tables of saved runs in the pages of docs/: a measurement saves its rows as JSON, `zava docs` renders them.

A file of docs/figures/ holds tables by title. Each has the run that it is from, and its rows: cells by column, as they
were printed, and `notes`, which stand in brackets after the cell of that column. A page shows a table between
`<!-- figures: performance.json, Ratios -->` and `<!-- end of figures -->`.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from conformance.errors import ConfigurationError

_OPENING: Final = "<!-- figures: "
_SHOWN: Final = re.compile(r"(<!-- figures: (\S+), (.+?) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
#: A machine is idle if less than this share of its cores was busy in the minute before the run.
_IDLE: Final = 0.25
_WIDTH: Final = 120


def run_now(command: str) -> dict[str, Any]:
    """Return what is recorded of a run that begins now."""
    cores, load = os.cpu_count() or 1, round(os.getloadavg()[0], 2)
    date, idle = datetime.now(UTC).date().isoformat(), load < _IDLE * cores
    return {"command": command, "date": date, "cores": cores, "load": load, "idle": idle}


def save(file: Path, run: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """Replace these tables of a file; its other tables stay."""
    saved = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    saved |= {title: {"run": run, "rows": rows} for title, rows in tables.items()}
    file.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def shown(page: str) -> list[tuple[str, str]]:
    """Return the file and the title of each table that a page shows."""
    return [(found[2], found[3]) for found in _SHOWN.finditer(page)]


def pages(docs: Path) -> dict[str, str]:
    """Return the pages of a folder that show tables, by name, with the tables that the saved runs give."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(docs.glob("*.md"))}
    return {name: _filled(docs, name, text) for name, text in texts.items() if _OPENING in text}


def _filled(docs: Path, name: str, text: str) -> str:
    if text.count(_OPENING) != len(shown(text)):
        raise ConfigurationError(
            f"docs/{name}: a table of figures has no end; expected <!-- end of figures --> after each; add it"
        )
    return _SHOWN.sub(lambda found: f"{found[1]}\n{_table(docs, name, found[2], found[3])}\n{found[4]}", text)


def _table(docs: Path, name: str, file: str, title: str) -> str:
    path = docs / "figures" / file
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if title not in saved:
        raise ConfigurationError(
            f"docs/{name}: it shows the table {title!r} of docs/figures/{file}, which is not there; "
            f"expected one of {', '.join(saved) or 'none'}; correct the marker or repeat the measurement"
        )
    return rendered(saved[title])


def rendered(table: Mapping[str, Any]) -> str:
    """Return a saved table in Markdown, and below it the run that it is from."""
    rows = table["rows"]
    columns = [column for column in rows[0] if column != "notes"]
    lines = [_line(columns), "|" + "---|" * len(columns)]
    lines += [_line([_cell(row, column) for column in columns]) for row in rows]
    return "\n".join([*lines, "", textwrap.fill(_run_line(table["run"]), _WIDTH, break_on_hyphens=False), ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(row: Mapping[str, Any], column: str) -> str:
    note = row.get("notes", {}).get(column)
    return f"{row[column]} ({note})" if note else str(row[column])


def _run_line(run: Mapping[str, Any]) -> str:
    """Return the run in one line; what was not recorded is named."""
    parts = [run["command"]]
    parts += [run["date"]] if run["date"] else []
    parts += [f"{run['cores']} cores"] if run["cores"] else []
    parts += [run["size"]] if "size" in run else []
    if run["load"] is not None:
        parts.append(f"load average {run['load']:g} at the start ({'idle' if run['idle'] else 'busy'})")
    missing = [name for name in ("date", "cores", "load") if run[name] is None]
    unknown = f" Not recorded: {', '.join(missing)}." if missing else ""
    return f"Run: {', '.join(parts)}.{unknown} {run.get('notes', '')}".rstrip()
