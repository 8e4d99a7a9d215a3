"""Report files of an earlier run: removed when a run begins that writes them, so that none is taken for its result."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from conformance.errors import ConfigurationError
from conformance.report import html, json_file

#: Files that every run with reports writes.
REPORTS = (json_file.NAME, html.NAME)
#: Further files of `zava conform`; history/ is kept.
SUITES_REPORTS = ("junit.xml", "allure-results", "allure")
#: Options whose value is a file or folder that is written.
_WRITING = ("--reports", "--zava-reports", "--junitxml", "--junit-xml", "--alluredir")


def discard(paths: Iterable[Path], keep: Collection[Path] = ()) -> None:
    """Remove files and folders of an earlier run, but for those that ``keep`` names, which this run reads.

    Makes sure that the folders they are in exist. Raises ConfigurationError, one line, when that cannot be done: better
    now than after the rules have run.
    """
    kept = {path.resolve() for path in keep}
    for path in paths:
        if path.resolve() in kept:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"{path}: cannot be written: {error.strerror}; make room, correct the permissions, or choose another"
                " folder"
            ) from None


def option(arguments: Sequence[str], name: str) -> str | None:
    """Return the value of an option on a command line that may be wrong otherwise; None when it is not there."""
    for place, argument in enumerate(arguments):
        if argument == name and place + 1 < len(arguments):
            return arguments[place + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return None


def read_files(arguments: Sequence[str]) -> list[Path]:
    """Return the existing files that a command line names for reading: its baseline, and those without an option."""
    values = [option(arguments, name) or "" for name in ("--baseline", "--zava-baseline")]
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if not argument.startswith("-") and before not in _WRITING:
            values.append(argument)
    return [Path(value) for value in values if value and _is_file(value)]


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        return False
