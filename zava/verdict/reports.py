"""Reports of an earlier run are removed before a command that writes them begins, however it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.errors import ConfigurationError
from conformance.model.schemas.loading import find_model
from conformance.report.stale import REPORTS, SUITES_REPORTS, discard, option, read_files


def discard_earlier(arguments: Sequence[str]) -> None:
    """Remove the reports that the command line names; ConfigurationError when they cannot be removed or written."""
    discard(_written(arguments), keep=read_files(arguments))


def _written(arguments: Sequence[str]) -> Iterator[Path]:
    folder = option(arguments, "--reports")
    if folder is not None and folder.strip():
        yield from (Path(folder) / name for name in REPORTS)
    if "conform" in arguments:
        try:
            root = Path(option(arguments, "--model") or find_model())
        except ConfigurationError:  # the command itself says so
            return
        yield from (root / "reports" / name for name in (*REPORTS, *SUITES_REPORTS))
