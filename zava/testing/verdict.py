"""The end of a run of rules: reports, exit code and summary."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from conformance import exit_codes
from conformance.report import text
from zava.testing import state
from zava.testing.options import chosen
from zava.testing.reporting import without_verdict, write_reports
from zava.testing.state import one_line_exit


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports; exit as the command line would: nothing selected 2, errors without findings 3."""
    config = session.config
    leaving = config.stash[state.LEAVING]
    leaving.over = True
    if leaving.number == signal.SIGTERM:
        session.exitstatus = exit_codes.SIGNAL + signal.SIGTERM
    if exitstatus in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR):
        session.exitstatus = exit_codes.CONFIGURATION
    report = config.stash.get(state.REPORT, None)
    if report is None or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        config.stash[state.REPORT] = None  # of a run that was broken off: its verdict would be about a part
        return
    strict, folder = chosen(config, "warnings-fail"), config.stash[state.OPTIONS].reports
    with one_line_exit():
        write_reports(report, folder, strict=strict, allure_results=config.getoption("--alluredir", None))
    session.exitstatus = report.exit_code(strict=strict) or exitstatus


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Print the verdict in a reviewer's words, and where the reports are; else why there is none."""
    report = config.stash.get(state.REPORT, None)
    if report is None:
        rules, done = config.stash[state.PROJECT].rules, len(config.stash[state.RESULTS])
        for line in without_verdict(exitstatus, rules, done, config.stash.get(state.ASKED, 0)):
            terminalreporter.section("conformance")
            terminalreporter.write_line(line)
    if report is None or chosen(config, "no-verdict"):
        return
    folder = config.stash[state.OPTIONS].reports
    paths = {"JSON": folder / "validation.json", "HTML": folder / "validation.html"}
    terminalreporter.section("conformance")
    width = terminalreporter._tw.fullwidth if terminalreporter.isatty else text.WHOLE_LINES
    strict = chosen(config, "warnings-fail")
    terminalreporter.write(text.render(report, paths=paths, strict=strict, width=width))
