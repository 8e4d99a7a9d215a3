"""The source files that documents are made by: a module, all that it imports of this project, and so on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Final

#: The project's packages. They are found as Python finds them, wherever they and this module are.
PACKAGES: Final = frozenset({"conformance", "edge", "generator", "mcp_servers", "zava"})
#: An import statement; parsing the modules would take ten times as long, and this runs before each validation.
_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<package>[\w.]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]+)"
    r"|import[ \t]+(?P<modules>[^\n]+))",
    re.MULTILINE,
)


#: Imports for type checkers, which never run.
_NEVER_RUN: Final = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t]+[^\n]*\n|\n)+", re.MULTILINE)


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
    path = _path(name)
    if path is None:
        raise FileNotFoundError(f"the module {name} has no source file, so that the data's fingerprint cannot be made")
    return path


def _imports(name: str, path: Path) -> Iterator[str]:
    """Yield the project's modules that a module imports, its own package and theirs included."""
    yield from _packages(name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for found in _IMPORT.finditer(_NEVER_RUN.sub("", path.read_text(encoding="utf-8"))):
        if found["modules"]:
            modules, defined = re.findall(r"[\w.]+", found["modules"]), []
        else:
            modules = [resolve_name(found["package"], package)]
            defined = [f"{modules[0]}.{one}" for one in re.findall(r"\w+", found["names"])]
        yield from (one for one in modules if one.partition(".")[0] in PACKAGES)
        yield from (one for one in defined if _path(one) is not None)


def _packages(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _path(name: str) -> Path | None:
    """Return a module's source file; None for another project's module, and for what is not a module."""
    top, *rest = name.split(".")
    package = find_spec(top) if top in PACKAGES else None
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent.joinpath(*rest)
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)
