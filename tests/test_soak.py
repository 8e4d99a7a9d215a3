"""The list of tests that only `make soak` runs names tests that exist."""

from __future__ import annotations

import ast

import pytest

from tests.needs import SOAK
from tests.root import ROOT


@pytest.mark.parametrize("file", SOAK)
def test_listed_tests_exist(file: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert SOAK[file].keys() <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_listed_share_is_all_or_a_number_of_cases() -> None:
    shares = [share for tests in SOAK.values() for share in tests.values()]
    assert all(share == "all" or (isinstance(share, int) and share > 1) for share in shares)
