"""docs/DEMO_SCENARIOS.md and the demo stories name each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.conformance.embedded.processes import ROOT

DOCUMENT = ROOT / "docs" / "DEMO_SCENARIOS.md"
SUITES = sorted((ROOT / "suites" / "demo").glob("test_*.py"))
NAMED = re.compile(r"`(test_\w+)`")


def stories(path: Path) -> list[str]:
    """Return the names of a suite's tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def sections() -> dict[str, str]:
    """Return the sections of the stories by title."""
    parts = re.split(r"^#{2,3} (.+)\n", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {title: text for title, text in zip(parts[::2], parts[1::2], strict=True) if NAMED.search(text)}


def test_stories_and_sections_match() -> None:
    named = [name for text in sections().values() for name in NAMED.findall(text)]
    assert sorted(named) == sorted(name for path in SUITES for name in stories(path))
    assert len(named) == len(sections()) >= 20


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_story_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not ast.get_docstring(node)]
    assert silent == []


def test_files_named_in_the_document_exist() -> None:
    files = re.findall(r"`((?:suites|docs|edge)/[\w/]+\.\w+)`", DOCUMENT.read_text(encoding="utf-8"))
    assert len(files) >= 4
    assert [name for name in files if not (ROOT / name).is_file()] == []
