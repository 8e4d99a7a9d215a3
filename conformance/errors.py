"""Errors: one line that a user can act on, and an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance import exit_codes


class HarnessError(Exception):
    """Base of every expected failure: the message is the one line shown to the user.

    The line says what was wrong, where, and what to do about it. ``exit_code`` is the exit code of both the
    command line and pytest.
    """

    exit_code = exit_codes.NO_VERDICT


class ConfigurationError(HarnessError):
    """A schema, a configuration file, a setting or an option is wrong; nothing was written."""

    exit_code = exit_codes.CONFIGURATION


@dataclass(frozen=True)
class Location:
    """A line of a file, counted from 1; the file as a whole if there is no line."""

    path: Path
    line: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.line is None else f"{self.path}:{self.line}"


class FileError(ConfigurationError):
    """A file is wrong: ``location``, the ``place`` in its content if one is known, and ``what``.

    ``what`` is the rest of the line: what was found, what was expected, and what to do.
    """

    def __init__(self, location: Location, what: str, place: str = "") -> None:
        self.location = location
        self.place = place
        self.what = what
        super().__init__(f"{location}: {self.in_file}")

    @property
    def in_file(self) -> str:
        """The message for a reader who knows the file and the line."""
        return f"at {self.place}: {self.what}" if self.place else self.what


class TargetError(HarnessError):
    """The database could not be reached, started or used as asked."""

    exit_code = exit_codes.NO_VERDICT
