"""The mutants that are known to survive, with the reason: survivors.yaml, read and checked."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from tests.root import ROOT

FILE: Final = Path(__file__).with_name("survivors.yaml")
_LEAST_REASON: Final = 30


@dataclass(frozen=True)
class Survivor:
    """A mutant equivalent to the original; lines are joined by a space, without their indentation."""

    module: str
    definition: str | None
    line: str
    mutant: str
    reason: str

    @property
    def change(self) -> tuple[str, str]:
        """Return the identity of the mutant: its module and the changed lines."""
        return self.module, f"{self.line} → {self.mutant}"

    def problem(self, root: Path = ROOT) -> str | None:
        """Return in one line why the entry is outdated; None if it matches the module."""
        path = root / self.module
        if not path.is_file():
            return f"{self.module}: there is no such module; write where it is now"
        text = path.read_text(encoding="utf-8")
        named = {getattr(node, "name", None) for node in ast.walk(ast.parse(text))}
        if self.definition and self.definition not in named:
            return f"{self.module}: {self.definition} is not defined there; write what it is called now"
        if self.line not in " ".join(line.strip() for line in text.splitlines()):
            return f"{self.module}: {self.definition}: the line is gone; remove the entry: {self.line}"
        if self.line == self.mutant:
            return f"{self.module}: {self.definition}: the mutant is the original: {self.line}"
        return None


def survivors(file: Path = FILE) -> list[Survivor]:
    """Read the file; raise TypeError if its form is wrong."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    found = [Survivor(**mutant, reason=group["reason"]) for group in content for mutant in group["mutants"]]
    short = [one.reason for one in found if len(one.reason) < _LEAST_REASON]
    if short:
        raise TypeError(f"{file.name}: not a reason: {short[0]}")
    return found


def counts(tried: int, killed: int, left: int) -> dict[str, str]:
    """Return the row that docs/TESTING.md shows."""
    share = f"{100 * killed / tried:.1f} %" if tried else ""
    return {"mutants": f"{tried:,}", "killed": f"{killed:,}", "share": share, "not run yet": f"{left:,}"}
