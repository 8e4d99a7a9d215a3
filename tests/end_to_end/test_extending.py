"""Follow docs/EXTENDING.md: write its files, run its commands and compare their output."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from conformance.embedded.server import EmbeddedServer
from tests.commands import BIN, Workplace
from tests.conformance.embedded.processes import ROOT

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

TEXT: Final = (ROOT / "docs" / "EXTENDING.md").read_text(encoding="utf-8")
_BLOCK: Final = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A file to write (``file``) with its content, or a command to run with its output (``text``)."""

    text: str
    file: str = ""
    command: str = ""


def steps(text: str) -> Iterator[Step]:
    """Return every file and command of a walk-through, in order."""
    for language, file, content in _BLOCK.findall(text):
        if file:
            yield Step(content, file=file)
        elif language == "console":
            for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
                command, _, printed = part.partition("\n")
                yield Step(printed, command=command)


def shown(expected: str, printed: str) -> bool:
    """Return whether a text was printed as expected: ``...`` alone in a line matches any lines, elsewhere any words."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r".*?".join(re.escape(part.strip()) for part in _plain(line).split("...")) + r"\n"
    return re.fullmatch(pattern, "".join(f"{_plain(line)}\n" for line in printed.splitlines())) is not None


def _plain(line: str) -> str:
    return " ".join(line.split())


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("...\nb\n", "a\na\nb\n", True),
        ("...\nb\n...\n", "b\n", True),
        ("...\nb\n...\n", "a\n", False),
        ("x ... z\n", "x  yy z\n", True),
        ("  x  y...\n", "x y z\n", True),
        ("x ... z\n", "x yy\n", False),
        ("", "", True),
    ],
)
def test_output_comparison_accepts_wildcards_only(expected: str, printed: str, same: bool) -> None:
    assert shown(expected, printed) is same


@pytest.mark.usefixtures("nothing_is_left")
def test_walk_through_prints_the_documented_output(tmp_path: Path) -> None:
    place = Workplace(tmp_path, tmp_path / "cache")
    environment = place.environment({"COLUMNS": "120", "PATH": f"{BIN}:/usr/bin:/bin"})
    for name in ("NUM_CUSTOMERS", "NUM_ORDERS"):
        del environment[name]
    folder, files, commands = tmp_path, 0, 0
    kept = EmbeddedServer(Workplace(tmp_path / "rental", place.cache).directory, cache_gb=0.25, linger=0.2)
    with kept:  # otherwise each command would start and stop it
        for step in steps(TEXT):
            if step.file:
                (folder / step.file).write_text(step.text, encoding="utf-8")
                files += 1
                continue
            commands += 1
            words = shlex.split(step.command)
            if words[0] == "cd":
                folder = folder / words[1]
                continue
            done = subprocess.run(
                words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
            )
            assert done.returncode in (0, 1), done.stderr
            assert (done.returncode == 1) == ("NOT CONFORMANT" in step.text), done.stdout + done.stderr
            if not shown(step.text, done.stdout):
                pytest.fail(f"$ {step.command}\n{done.stdout}{done.stderr}\nwas to print\n{step.text}", pytrace=False)
    assert (files, commands) == (9, 12)


def test_every_file_named_in_extending_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)", TEXT)
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)
    named = set(re.findall(r"`(examples/\w+|tests/\w+\.py)`", TEXT))
    assert named
    assert all((ROOT / name).exists() for name in named)
