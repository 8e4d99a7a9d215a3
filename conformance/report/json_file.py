"""reports/validation.json: written whole, kept in a history, read back for later commands."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from conformance.errors import ConfigurationError
from conformance.files.packaged import packaged
from conformance.files.strict_files import read_json
from conformance.files.writing import write_text
from conformance.results import SCHEMA_VERSION, Report

NAME: Final = "validation.json"
SCHEMA: Final = packaged(__package__, "validation.schema.json")
KEPT: Final = 50
HISTORY_NAME: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}\.json")


def render(report: Report) -> str:
    """Return the report as JSON text in the format of validation.schema.json.

    What JSON cannot hold in a rule's evidence (dates, ids, NaN) stands as its text.
    """
    return json.dumps(plain(report.as_json()), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(report: Report, folder: Path) -> Path:
    """Write ``folder``/validation.json and a copy in ``folder``/history, where the newest 50 are kept.

    Returns the path of the first. Raises ConfigurationError when a file cannot be written.
    """
    text = render(report)
    write_text(folder / NAME, text)
    history = folder / "history"
    write_text(history / _history_name(report.started_at, text), text)
    kept = sorted(path for path in history.iterdir() if HISTORY_NAME.fullmatch(path.name))
    for path in kept[:-KEPT]:
        path.unlink(missing_ok=True)
    return folder / NAME


def load(path: Path) -> dict[str, Any]:
    """Return the content of a validation.json.

    Raises ConfigurationError, one line, when the file is missing, broken, of another schema_version, or not in the
    format.
    """
    if not path.exists():
        raise ConfigurationError(f"{path}: there is no such file; validate first, or check the path")
    content = read_json(path)
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path}: found schema_version {version!r}; expected {SCHEMA_VERSION}; run the validation again"
        )
    wrong = best_match(_validator().iter_errors(content))
    if wrong is not None:
        where = "/" + "/".join(str(part) for part in wrong.absolute_path)
        raise ConfigurationError(
            f"{path}: at {where}: found what does not satisfy {wrong.validator!r} of the format; the file was altered,"
            " write it anew"
        )
    return dict(content)


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _history_name(started_at: str, text: str) -> str:
    compact = re.sub(r"[-:]|\.\d+", "", started_at)
    return f"{compact}-{hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}.json"


def plain(value: Any) -> Any:
    """Return the value with nothing in it but what JSON holds."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
