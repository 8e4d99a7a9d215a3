"""The modules that are mutated, and what must detect their mutants: subjects.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Subject:
    """A module that is mutated, with the families and tests that must detect its mutants."""

    path: str
    families: tuple[str, ...]
    tests: tuple[str, ...] = ()
    bases: tuple[str, ...] = ("tiny",)

    @property
    def module(self) -> str:
        """Return its name for imports."""
        return self.path.removesuffix(".py").replace("/", ".")


def subjects(pattern: str = "") -> list[Subject]:
    """Return the modules of subjects.yaml whose path contains the pattern."""
    content = yaml.safe_load((Path(__file__).parent / "subjects.yaml").read_text(encoding="utf-8"))
    return [
        Subject(path, **{name: tuple(values) for name, values in given.items()})
        for path, given in content.items()
        if pattern in path
    ]
