"""Texts of the outputs of a run, and the passages that a reader cannot understand without the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final

from conformance.report import html, json_file, text
from conformance.results import Report
from tests.conformance.rules.test_texts import RETIRED
from tests.docs.test_plain_english import headless

#: Values in Python's syntax; possessives such as "the stores' users" have a letter before the quote.
PYTHON: Final = re.compile(
    r"\b(?:None|True|False|bytearray|frozenset)\b|\b(?:datetime|ObjectId|Decimal128|Int64|Binary|MaxKey|MinKey|Timestamp)[(.]"
    r"|<[\w.]+ object|<class |[\[{(, ]'[^' ][^']+'[\]}),:]"
)
#: Values of documents, patterns, commands of mongosh, and the phrase that is plain English beside the retired "is no".
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\^\S+\$|\bdb\.\w+\(.*\)|\bthere is no\b', re.IGNORECASE)
_CODE: Final = ("code", "pre", "script", "style", "svg")


class _Text(HTMLParser):
    """The text of a page, outside of code and drawings, by element."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        """Enter code."""
        if tag in _CODE:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave code."""
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        """Keep text."""
        if not self._inside:
            self.texts.append(data)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, str):
        yield value


def outputs(report: Report) -> dict[str, list[str]]:
    """Return the texts of a run by output: terminal, JSON, HTML, and JUnit, whose failures are those of pytest."""
    page = _Text()
    page.feed(html.render(report))
    broken = [each for each in report.results if each.status in ("failed", "warned")]
    return {
        "terminal": text.render(report, width=10_000).splitlines(),
        "json": list(_strings(json.loads(json_file.render(report)))),
        "html": page.texts,
        "junit": [line for each in broken for line in text.finding(each).splitlines()],
    }


def unreadable(texts: list[str]) -> list[str]:
    """Return the texts with Python's syntax, a retired term, or a sentence without a subject."""
    bare = {one: _QUOTED.sub('""', one) for one in texts}
    return sorted(
        one for one, rest in bare.items() if PYTHON.search(rest) or RETIRED.search(rest) or headless(rest.strip())
    )
