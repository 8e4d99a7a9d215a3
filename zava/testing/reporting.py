"""The report files of a run: those of an earlier run are removed first, so that no file is taken for this run's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from _pytest.junitxml import xml_key

from conformance.checks.base import Rule
from conformance.errors import HarnessError
from conformance.model.schemas.loading import find_model
from conformance.report import html, json_file
from conformance.report.allure import labels
from conformance.report.stale import REPORTS, discard, option, read_files
from conformance.results import Report
from conformance.run.selection import existing
from conformance.run.session import Project
from conformance.server.target import Choice
from conformance.text.masking import mask
from zava.testing.options import fallback

#: Options with which pytest runs no test, and so writes no report.
_NO_RUN: Final = {"--collect-only", "--co", "--help", "-h", "--version", "-V", "--fixtures", "--markers"}


def discard_earlier(arguments: Sequence[str]) -> None:
    """Remove the reports that a run with these arguments would write; ConfigurationError when that cannot be done.

    It reads the command line itself, which may be one that pytest refuses: then there is no other moment to do it.
    """
    if not _NO_RUN.isdisjoint(arguments):
        return
    discard(_written(arguments), keep=read_files(arguments))


def discard_earlier_of_a_refused_run() -> None:
    """Remove them before pytest has parsed its command line; what is wrong is said later, in pytest_configure."""
    if Path(sys.argv[0]).parent.name == "pytest" or Path(sys.argv[0]).stem == "pytest":
        try:
            discard_earlier(sys.argv[1:])
        except HarnessError:
            return


def _written(arguments: Sequence[str]) -> Iterator[Path]:
    reports, model = _value(arguments, "reports"), _value(arguments, "model")
    if reports is None:
        root = Path(model) if model else find_model(otherwise=fallback("--zava" in arguments))
        reports = str(root / "reports")
    if reports.strip():
        yield from (Path(reports) / name for name in REPORTS)
    junit = option(arguments, "--junitxml") or option(arguments, "--junit-xml")
    if junit:
        yield Path(junit)


def _value(arguments: Sequence[str], name: str) -> str | None:
    value = option(arguments, f"--zava-{name}")
    return option(arguments, f"--{name}") if value is None else value


def header(project: Project, choice: Choice) -> list[str]:
    """Return the lines that name the target and the model, and a .env that is not read."""
    unread = project.settings.environment.unread
    where = "the embedded server, generated data" if choice.uri is None else mask(choice.uri)
    lines = [f"target: {project.settings.mongodb_database} on {where}", f"model: {project.model.root}"]
    return [*lines, *([f"not read: {unread}, since it is not beside the model"] if unread else [])]


def name_junit_suite(config: pytest.Config, name: str) -> None:
    """Let the JUnit file, where one is written, say in its headline what was validated."""
    xml = config.stash.get(xml_key, None)
    if xml is not None:
        xml.suite_name = name


def without_verdict(exitstatus: int, rules: Sequence[Rule], done: int, asked: int) -> Iterator[str]:
    """Yield why no report was written; where nothing was selected, what exists."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        yield f"nothing was selected; {existing(rules)}"
    elif done < asked:
        yield f"no verdict: the run ended after {done} of {asked} rules, and no report was written"


def write_reports(report: Report, folder: Path, *, strict: bool, allure_results: str | None) -> None:
    """Write validation.json and .html, and what Allure shows of the run; ConfigurationError when one cannot be."""
    json_file.write(report, folder)
    html.write(report, folder, strict=strict)
    if allure_results:
        labels.prepare(Path(allure_results), report)
