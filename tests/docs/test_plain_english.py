"""The manual has no headless sentences, such as "What is broken is listed", and no retired terms."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.root import ROOT

#: Written by `zava docs` from texts of the code, which has its own tests.
GENERATED: Final = ("API.md", "DATA_MODEL.md", "RULES.md")
PAGES: Final = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "ditto_queries.md",
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in GENERATED),
]
HEADLESS: Final = re.compile(r"(?:What|Whatever|Who|Whoever|Whose|Whom|Which|Whether|Where|Wherever|Of)\b")
#: "Of 2,077 mutants, 1,990 were killed" has a subject; so has the title "Where to find it".
ALLOWED: Final = re.compile(r"Of [\d,]+ |Where to ")
_BLOCK: Final = re.compile(r"^```.*?^```$|^ {4}(?![-\d|])[^\n]*$", re.MULTILINE | re.DOTALL)
#: Before a list item, a heading, a row of a table or an empty line, a sentence ends.
_BREAK: Final = re.compile(r"\n\s*(?=[-#|]|\d+\. |\n)|\s\|\s")
_MARK: Final = re.compile(r"^[\s|>#*_(\"“-]*(?:\d+\. )?[*_(\"“]*")
_END: Final = re.compile(r"(?<=[.!?:;])[*_)\"”]*\s+(?=\W*[A-Z])")


def sentences(text: str) -> Iterator[str]:
    """Return the sentences of a page in Markdown, without code."""
    for part in _BREAK.split(_BLOCK.sub("\n\n", text)):
        for sentence in _END.split(" ".join(part.split())):
            yield _MARK.sub("", sentence)


def headless(text: str) -> list[str]:
    """Return the sentences that begin with a headless relative clause; questions do not."""
    return [
        sentence
        for sentence in sentences(text)
        if HEADLESS.match(sentence) and not ALLOWED.match(sentence) and not sentence.rstrip(" |").endswith("?")
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_sentence_begins_with_a_headless_clause(path: Path) -> None:
    assert headless(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What is few is compared.", ["What is few is compared."]),
        ("It runs. Of a year its days count.", ["Of a year its days count."]),
        ("A line\nthat goes on. Who asks is\ndenied.", ["Who asks is denied."]),
        ("- Where Ditto cannot run it is skipped.", ["Where Ditto cannot run it is skipped."]),
        ("1. **What** grows hurts.", ["What** grows hurts."]),
        ("| a | Whoever calls is denied |", ["Whoever calls is denied |"]),
        ("# What merges how", ["What merges how"]),
        ("    make test\n\nWhat must write uses another.", ["What must write uses another."]),
        ("It runs: What fails is kept.", ["What fails is kept."]),
        ("What does it cost?", []),
        ("| Where is the exit code chosen? | `results.py` |", []),
        ("Of 2,077 mutants, 1,990 were killed.", []),
        ("It says what\nOf is.", []),
        ("```\nWhat is code\n```\n\n    What is code too", []),
    ],
)
def test_pattern_matches_headless_clauses_only(text: str, found: list[str]) -> None:
    assert headless(text) == found


PACKAGES: Final = ("conformance", "edge", "generator", "mcp_servers", "suites", "zava")


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of every docstring of the packages."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", text


def test_no_docstring_begins_with_a_headless_clause() -> None:
    found = list(docstrings())
    assert len(found) > 1000
    assert [
        f"{place}: {text}" for place, text in found if re.match(rf"{HEADLESS.pattern}|(?:How|Why|That)\b", text)
    ] == []


# Retired terms

RETIRED: Final = (ROOT / "tests" / "docs" / "retired_terms.txt").read_text(encoding="utf-8").splitlines()


def spelling(page: Path) -> list[str]:
    """Return what `make lint` reports for a page."""
    retired = re.findall(
        r"^RETIRED := --dictionary (\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    command = [sys.executable, "-m", "codespell_lib", "--dictionary", str(ROOT / retired[0]), str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == (65 if done.stdout else 0), done.stderr
    return [line.rpartition(": ")[2] for line in done.stdout.splitlines()]


def test_every_retired_term_is_reported_with_its_replacement(tmp_path: Path) -> None:
    terms = [line.split("->") for line in RETIRED]
    page = tmp_path / "page.md"
    page.write_text("".join(f"It is {term} here.\n" for term, _ in terms), encoding="utf-8")
    reported = [line.split(" ==> ")[0] for line in spelling(page)]
    assert len(reported) > 15
    assert reported == [term for term, _ in terms]


def test_retired_terms_are_allowed_in_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("The key `mend` is read.\n\n```yaml\nmend: Restore it.\n```\n", encoding="utf-8")
    assert spelling(page) == []
