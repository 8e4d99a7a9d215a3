"""Options of `pytest suites/`: which server is judged, which rules are run, and what may be written."""

from __future__ import annotations

import pytest
from hypothesis import settings

# The fast profile is the same every time; the deep one is for a night, or a change of the schemas.
settings.register_profile("fast", deadline=None, derandomize=True, max_examples=10, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=500, print_blob=True)
settings.load_profile("fast")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options that suites/conftest.py reads; the same words as `zava validate`."""
    group = parser.getgroup("conformance", "conformance of the database named in .env")
    # Values are checked in suites/options.py: what pytest itself refuses would end with its own exit code, 4.
    group.addoption("--uri", help="the server to validate; default: .env, else the embedded server")
    group.addoption("--embedded", action="store_true", help="use generated data on the embedded server")
    group.addoption("--model", help="folder with schemas/ and config/; default: the nearest one, else that of suites/")
    group.addoption("--collection", help="only rules of this collection")
    group.addoption("--only", action="append", default=[], help="only rules whose id matches (repeatable)")
    group.addoption("--allow-writes", action="store_true", help="allow a scratch database on a named server")
    group.addoption("--warnings-fail", action="store_true", help="warnings fail too (zava validate --strict)")
    group.addoption("--samples", default="5", help="violating documents shown per rule, 1 to 1000; default: 5")
    group.addoption("--baseline", help="fail only on violations that this file does not know")
    group.addoption("--reports", help="where reports are written; default: reports/ of the model")
    group.addoption("--command", help="the command that reports show; default: pytest's own")
    group.addoption("--no-verdict", action="store_true", help="leave the summary to the caller (zava conform)")
