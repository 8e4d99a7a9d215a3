"""Shared fixtures of the benchmarks: the tables that are printed at the end, even after failures, and saved."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console

from conformance.run.session import Project
from suites.benchmarks.tables import Tables
from zava.figures import run_now, save
from zava.testing.garbage import DEFAULT_THRESHOLDS

#: The tables of a run, by the file of docs/figures/ that they are saved in.
_TABLES = pytest.StashKey[dict[str, Tables]]()
_RUN = pytest.StashKey[dict[str, Any]]()
_FIGURES: Final = Path(__file__).parents[2] / "docs" / "figures"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make bench`."""
    text = "save the tables in docs/figures/ as those of this command, if no test failed or was skipped"
    parser.addoption("--save-figures", metavar="COMMAND", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run's tables."""
    config.stash[_TABLES] = {"performance.json": Tables(), "comparison.json": Tables()}
    config.stash[_RUN] = run_now(config.getoption("save_figures", None) or "")


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Print the tables, and save those of a complete run if that is wanted."""
    for tables in config.stash[_TABLES].values():
        tables.show(Console(width=180, highlight=False))
    if not config.getoption("save_figures", None):
        return
    skipped = len(terminalreporter.stats.get("skipped", ()))
    if exitstatus or skipped:
        terminalreporter.write_line(f"figures not saved: the run has exit code {exitstatus}, {skipped} tests skipped")
        return
    for file, tables in config.stash[_TABLES].items():
        save(_FIGURES / file, config.stash[_RUN], tables.saved())


@pytest.fixture(autouse=True)
def thresholds_of_the_commands() -> Iterator[None]:
    """Collect garbage as often as the measured commands do; a run of suites does it less often, and holds more."""
    before = gc.get_threshold()
    gc.set_threshold(*DEFAULT_THRESHOLDS)
    yield
    gc.set_threshold(*before)


@pytest.fixture(scope="session")
def tables(pytestconfig: pytest.Config, project: Project) -> Tables:
    """Return the run's tables of docs/PERFORMANCE.md, to add rows to."""
    pytestconfig.stash[_RUN]["size"] = f"{project.settings.num_orders:,} orders"
    return pytestconfig.stash[_TABLES]["performance.json"]


@pytest.fixture(scope="session")
def comparison(pytestconfig: pytest.Config) -> Tables:
    """Return the run's tables of docs/COMPARISON.md, to add rows to."""
    return pytestconfig.stash[_TABLES]["comparison.json"]
