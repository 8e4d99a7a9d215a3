"""The source files that documents are made by: a module, all that it imports of this project, and so on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

#: Where the project's packages are.
_ROOT: Final = Path(__file__).parent.parent
#: An import statement; parsing the modules would take ten times as long, and this runs before each validation.
_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<package>[\w.]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]+)"
    r"|import[ \t]+(?P<modules>[^\n]+))",
    re.MULTILINE,
)


@cache
def imported_sources(*modules: str) -> tuple[tuple[str, Path], ...]:
    """Return the names and files of the modules and of all modules of this project that they import, by name.

    Imports within functions count too. Raise FileNotFoundError for a module that has no source file: a fingerprint
    that passes over it in silence would take old data for new.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _source(name)
            waiting += _imports(name, found[name])
    return tuple(sorted(found.items()))


def _source(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise FileNotFoundError(f"the module {name} has no source file, so that the data's fingerprint cannot be made")
    return Path(spec.origin)


def _imports(name: str, path: Path) -> Iterator[str]:
    """The project's modules that a module imports, its own package and theirs included."""
    yield from _packages(name)
    for found in _IMPORT.finditer(path.read_text(encoding="utf-8")):
        if found["modules"]:
            names = re.findall(r"[\w.]+", found["modules"])
        else:
            names = [found["package"], *(f"{found['package']}.{one}" for one in re.findall(r"\w+", found["names"]))]
        yield from (one for one in names if _is_ours(one))


def _packages(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _is_ours(name: str) -> bool:
    """Whether a dotted name is a module of this project, and not something that a module defines."""
    path = _ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
