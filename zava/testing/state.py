"""State of a run of rules in pytest's configuration, and its end with one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from conformance.checks.base import Rule
from conformance.errors import HarnessError
from conformance.report.allure import labels
from conformance.results import Report, Result
from conformance.run.baseline import Baseline
from conformance.run.session import Project
from conformance.server.target import Choice, Target
from conformance.text.masking import one_line
from zava.testing.options import Options
from zava.testing.signals import Leaving

PROJECT: Final = pytest.StashKey[Project]()
OPTIONS: Final = pytest.StashKey[Options]()
CHOICE: Final = pytest.StashKey[Choice]()
RULES: Final = pytest.StashKey[dict[str, Rule]]()
KNOWN: Final = pytest.StashKey[Baseline | None]()
ASKED: Final = pytest.StashKey[int]()
RESULTS: Final = pytest.StashKey[dict[str, Result]]()
REPORT: Final = pytest.StashKey[Report | None]()
TARGET: Final = pytest.StashKey[Target]()
LEAVING: Final = pytest.StashKey[Leaving]()


def epic(config: pytest.Config) -> str:
    """Return the title of the run, which says so when the data is generated."""
    database = config.stash[PROJECT].settings.mongodb_database
    return labels.epic(database, embedded=config.stash[CHOICE].embedded)


@contextmanager
def one_line_exit() -> Iterator[None]:
    """End the session with an expected error's one line and exit code."""
    try:
        yield
    except HarnessError as error:
        pytest.exit(one_line(error), returncode=error.exit_code)
