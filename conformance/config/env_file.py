"""A `.env` file, read strictly: a line without effect or with a doubtful one is a problem with its line number."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
#: The sign of a value that should have ended on an earlier line.
_ASSIGNMENT: Final = re.compile(r"^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=", re.MULTILINE)
_REFERENCE: Final = re.compile(r"\$\{(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True)
class Variable:
    """A variable that is set; ``line`` is its line in the file, None for the process environment."""

    name: str
    value: str = field(repr=False)
    line: int | None = None


class EnvFile:
    """The variables of a file by name, and one line for each thing that is wrong with it; values are never shown.

    Names that ``known`` holds in upper case may be written in any case. A file that does not exist has no variables.
    """

    def __init__(self, path: Path, known: Collection[str] = ()) -> None:
        self.path = path
        self.exists = os.path.lexists(path)
        self.variables: dict[str, Variable] = {}
        self.problems: list[str] = []
        self._known = known
        for binding in parse_stream(StringIO(self._text())):
            if binding.key is not None or binding.error:
                line = _line(binding)
                problem = self._read(binding, line)
                if problem is not None:
                    self.problems.append(f"{path}:{line}: {problem}")

    def _text(self) -> str:
        if not self.exists:
            return ""
        try:
            return self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            self.problems.append(f"{self.path}: not UTF-8; save the file as UTF-8")
        except OSError as error:
            self.problems.append(
                f"{self.path}: cannot be read: {error.strerror}; make it a readable file, or remove it"
            )
        return ""

    def _read(self, binding: Binding, line: int) -> str | None:
        """Take over the variable of one line; return what is wrong with it."""
        if binding.error or binding.key is None:
            return "not an assignment; write NAME=value on one line, and close every quote"
        name = binding.key.upper() if binding.key.upper() in self._known else binding.key
        if not _NAME.fullmatch(name):
            return f"{name!r} is not a variable name; write NAME=value"
        if binding.value is None:
            return f"{name} has no value; write {name}=value, or remove the line"
        if "\n" in binding.value and (name in self._known or _ASSIGNMENT.search(binding.value)):
            return f"the value of {name} extends over several lines; close its quote on the same line"
        if name in self.variables:
            return f"{name} is already set in line {self.variables[name].line}; remove one of the two lines"
        unset = [match["name"] for match in _REFERENCE.finditer(binding.value) if self._resolve(match) is None]
        if unset and name in self._known:
            return f"{name} refers to ${{{unset[0]}}}, which is not set; set it, or write $ as %24 in a password"
        value = _REFERENCE.sub(lambda match: self._resolve(match) or "", binding.value)
        self.variables[name] = Variable(name, value, line)
        return None

    def _resolve(self, match: re.Match[str]) -> str | None:
        """Return what a ``${NAME}`` or ``${NAME:-default}`` stands for, None when that is not known."""
        earlier = self.variables.get(match["name"])
        value = os.environ.get(match["name"])
        return value if value is not None else earlier.value if earlier is not None else match["default"]


def sets_any(path: Path, names: Collection[str], values: tuple[str, ...]) -> bool:
    """Return whether a file sets one of the names, or any name to a value that begins so."""
    found: Mapping[str, Variable] = EnvFile(path, names).variables
    return any(each.name in names or each.value.startswith(values) for each in found.values())


def _line(binding: Binding) -> int:
    """Return the line of the assignment itself; the parser counts from the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", blank))
