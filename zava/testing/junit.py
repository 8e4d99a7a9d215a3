"""Data of a rule in the JUnit file besides passed and failed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.report import text
from conformance.report.summary import verdict
from conformance.results import Report, Result

#: Writes one property of the whole file (pytest's fixture record_testsuite_property).
Record = Callable[[str, object], None]


def describe(item: pytest.Item, result: Result) -> None:
    """Give a rule's test case its severity, status and numbers, and the finding of a warning as its output.

    A warning passes in pytest, so that nothing else in the file would show it.
    """
    status = "known" if result.accepted else result.status
    item.user_properties += [
        ("severity", result.severity),
        ("status", status),
        ("examined", result.examined),
        ("violations", result.violations),
    ]
    if result.status == "warned":
        heading = "Known: accepted" if result.accepted else "Warning"
        item.add_report_section("call", "stdout", f"{heading}: {text.finding(result)}\n")


def describe_run(record: Record, report: Report, *, strict: bool) -> None:
    """Give the file its verdict, target and numbers."""
    record("verdict", verdict(report, strict=strict).headline)
    record("target", report.target.describe())
    record("started_at", report.started_at)
    record("warnings", report.new_warnings)
    record("known_violations", report.known)
    record("quality_score", report.quality_score)
