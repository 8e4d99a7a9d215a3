"""No message shows a Python repr of a value: messages use BSON's type names and JSON values."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from conformance.text.rendering import render
from tests.root import ROOT

PACKAGES: Final = ("conformance", "edge", "generator", "mcp_servers", "zava")
#: Their values are strings: of the command line, of a connection string, and names in a file.
STRINGS: Final = (
    "conformance/connection/options.py", "conformance/rules/ditto/permissions/users.py", "zava/servers/connector.py",
    "zava/terminal/parameters.py", "zava/testing/options.py",
)  # fmt: skip
VALUES: Final[list[Any]] = [
    None, True, 0, 2**40, 1.5, float("nan"), float("inf"), "a", dt.datetime(2024, 1, 1), Decimal128("1.10"), Int64(5),
    ObjectId("0123456789abcdef01234567"), b"\x01", Binary(b"\x02", 5), Regex("a", "i"), Timestamp(1, 2), MinKey(),
    MaxKey(), Code("f"), {"a": [True, None, dt.datetime(2024, 1, 1)]}, [Int64(1), Decimal128("2")],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_value_is_rendered_without_python(value: Any) -> None:
    for shown in (render(value), render({"key": value}), render([value])):
        assert not re.search(r"\b(?:None|True|False|nan|datetime|ObjectId|Decimal128|Int64|Timestamp)\b\(?", shown), (
            shown
        )


def interpolations(path: Path) -> Iterator[tuple[str, int, str]]:
    """Yield the expressions that f-strings of the file show with `!r`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FormattedValue) and node.conversion == ord("r"):
            yield path.relative_to(ROOT).as_posix(), node.lineno, ast.unparse(node.value)


def test_values_of_documents_are_not_shown_by_repr() -> None:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    shown = [each for path in files for each in interpolations(path)]
    values = [each for each in shown if re.search(r"document|\bvalues?\b|row\b|sample|getattr", each[2])]
    assert [each for each in values if each[0] not in STRINGS] == []
    assert len(shown) > 50
