"""The variables of a run: the process environment, then the `.env` beside the model."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.config.env_file import EnvFile, Variable, sets_any
from conformance.text.masking import SECRET_NAME, remember

#: The file's name, in the folder that holds schemas/ and config/.
ENV_FILE: Final = ".env"
#: Names that are likely meant to be `.env`, such as .env.local, .env.txt (an editor's ending) and env.
_LIKE_ENV: Final = re.compile(
    r"[._]?env|[._]evn|\.env(?!rc).*|env\.(?:txt|local|bak|old|prod\w*|dev\w*|stag\w*|test)", re.I
)
#: Names that another program may own: they count only where the file sets one of the settings.
_MAYBE_ENV: Final = re.compile(r"\.envrc|.+\.env", re.IGNORECASE)
#: A part of the name of a file that is there to be copied.
_TEMPLATE: Final = re.compile(r"(?:^|[._-])(?:sample|example|template|tmpl|dist)(?:[._-]|$)", re.IGNORECASE)
_SCHEMES: Final = ("mongodb://", "mongodb+srv://")
#: Settings whose names other programs use too: a similar name in the process environment is likely theirs.
_COMMON: Final = ("SEED", "BATCH_SIZE", "LOG_LEVEL", "AZURE_")
#: Changed letters up to which a name counts as misspelt; in a short name two would make another word.
_CHANGES: Final = 2
_CHANGES_SHORT: Final = 1
_SHORT_LENGTH: Final = 8
#: Length from which a setting's name inside another name is not a coincidence.
_DISTINCT_LENGTH: Final = 12


@dataclass(frozen=True)
class Environment:
    """The variables of a run, and one line for each thing that is wrong with how they are set.

    ``path`` is the `.env` beside the model, and ``present`` tells whether it exists. ``unread`` is the nearest `.env`
    at or above the current folder that names settings and is not beside the model. ``mistaken`` is a file beside the
    model that is likely meant to be its `.env`, where that does not exist.
    """

    variables: Mapping[str, Variable] = field(default_factory=dict, compare=False, repr=False)
    path: Path | None = field(default=None, compare=False)
    present: bool = field(default=False, compare=False)
    unread: Path | None = field(default=None, compare=False)
    mistaken: Path | None = field(default=None, compare=False)
    problems: tuple[str, ...] = field(default=(), compare=False)

    def get(self, name: str) -> str | None:
        """Return the value of a variable, None when it is not set; an empty value is returned as it is."""
        variable = self.variables.get(name)
        return None if variable is None else variable.value

    def where(self, name: str) -> str:
        """Return ``file:line: `` for a variable that the file sets, nothing for one of the process environment."""
        variable = self.variables.get(name)
        return "" if variable is None or variable.line is None else f"{self.path}:{variable.line}: "

    def misspelt(self, known: Collection[str]) -> list[str]:
        """Return one line for each variable that is not known and resembles one that is."""
        return [line for name in sorted(self.variables) for line in self._doubts(name, known)]

    def connection_string(self, known: Collection[str]) -> str | None:
        """Return the name of a variable that is not known and whose value is a MongoDB connection string."""
        strings = (name for name, each in sorted(self.variables.items()) if each.value.startswith(_SCHEMES))
        return next((name for name in strings if name not in known), None)

    def _doubts(self, name: str, known: Collection[str]) -> Iterator[str]:
        if name in known:
            return
        in_file = self.variables[name].line is not None
        names = known if in_file else [each for each in known if not each.startswith(_COMMON)]
        meant = _similar(name, names)
        if meant is None and in_file:
            extended = _extended(name, names)
            meant = None if extended in self.variables else extended
        if meant is not None:
            yield f"{self.where(name)}{name} is not a setting; did you mean {meant}? Correct the name, or remove it"


def read_environment(path: Path | None, known: Collection[str]) -> Environment:
    """Read the process environment and the `.env` at ``path``; None where there is no model for it to be beside.

    Names that ``known`` holds in upper case may be written in any case.
    """
    file = EnvFile(path, known) if path is not None else None
    variables = dict(file.variables) if file is not None else {}
    problems = list(file.problems) if file is not None else []
    for name, value in sorted(os.environ.items()):  # upper case comes first
        canonical = name.upper() if name.upper() in known else name
        before = variables.get(canonical)
        if before is None or before.line is not None:
            variables[canonical] = Variable(canonical, value)
        elif before.value != value:
            problems.append(f"{canonical}: set twice in the environment, as {name} too; unset one of the two")
    for each in variables.values():
        if SECRET_NAME.search(each.name) or "://" in each.value:
            remember(each.value)
    present = file is not None and file.exists
    mistaken = _mistaken(path, known) if path is not None and not present else None
    return Environment(variables, path, present, _unread(path, known), mistaken, tuple(problems))


def _unread(path: Path | None, known: Collection[str]) -> Path | None:
    here = Path.cwd()
    for folder in (here, *here.parents):
        other = folder / ENV_FILE
        if other.is_file() and (path is None or not _same(other, path)) and _sets_settings(other, known):
            return other
    return None


def _mistaken(path: Path, known: Collection[str]) -> Path | None:
    """Return a file beside the `.env` at ``path`` whose name, or name and content, say that it was meant to be it."""
    for other in sorted(path.parent.iterdir()) if path.parent.is_dir() else ():
        if _TEMPLATE.search(other.name) or not other.is_file():
            continue
        if _LIKE_ENV.fullmatch(other.name):
            return other
        if _MAYBE_ENV.fullmatch(other.name) and _sets_settings(other, known):
            return other
    return None


def _sets_settings(path: Path, known: Collection[str]) -> bool:
    """Return whether a file sets a setting whose name no other program uses."""
    return sets_any(path, [name for name in known if not name.startswith(_COMMON)], _SCHEMES)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _plain(name: str) -> str:
    return "".join(char for char in name.upper() if char.isalnum())


def _similar(name: str, known: Collection[str]) -> str | None:
    """Return the known name that this one is a misspelling of."""
    plain = _plain(name)
    allowed = _CHANGES_SHORT if len(plain) <= _SHORT_LENGTH else _CHANGES
    near = [each for each in known if abs(len(_plain(each)) - len(plain)) <= allowed]
    return next((each for each in sorted(near) if _changes(plain, _plain(each)) <= allowed), None)


def _changes(one: str, other: str) -> int:
    """Return how many letters must be changed, added or removed to make one word of the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, right in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (left != right))
    return row[-1]


def _extended(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is a part of this one, such as that of MONGODB_DATABASE_NAME."""
    return next((each for each in known if len(each) >= _DISTINCT_LENGTH and _plain(each) in _plain(name)), None)
