"""No sentence of the manual begins with a headless relative clause, such as "What is broken is listed below"."""

from __future__ import annotations

import re
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
    *(path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in GENERATED),
]
HEADLESS: Final = re.compile(r"(?:What|Whatever|Who|Whoever|Whose|Whom|Which|Whether|Where|Wherever|Of)\b")
#: "Of 2,077 mutants, 1,990 were killed" has a subject; so has the title "Where to find it". The third is the title of a
#: scenario in suites/conflict_scenarios.py.
ALLOWED: Final = re.compile(r"Of [\d,]+ |Where to |What was counted is added as a difference")
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
def test_the_pattern_finds_headless_clauses_only(text: str, found: list[str]) -> None:
    assert headless(text) == found
