"""Allure's labels on pytest's tests, and an identity for each rule that no file name, order or machine changes.

By itself allure-pytest takes a result's testCaseId from the test function and its place in the tree, so that all
rules of one parametrised test share it, and Allure 3 tells them apart by the shown parameters; a rule moved to
another file would lose its history. Here the rule's id is the identity.
"""

from __future__ import annotations

from collections.abc import Iterable

import allure
import allure_commons
import pytest
from allure_commons import hookimpl
from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Status, StatusDetails, TestResult, TestResultContainer
from allure_commons.types import AttachmentType

from conformance.report.allure.labels import Labels, attachment
from conformance.report.pictures import share
from conformance.results import Result

#: The label by which a result says which rule it is of.
RULE_LABEL = "rule"
#: The label of a result that is known, with the reason.
KNOWN_LABEL = "known"


def marks(labels: Labels) -> list[pytest.MarkDecorator]:
    """Return the marks of a test of that rule, for pytest.param(rule.id, marks=…).

    Epic, feature, story, severity and description are there at collection, so that --allure-features and its like
    select by them.
    """
    named = {
        "epic": labels.epic,
        "feature": labels.feature,
        "story": labels.story,
        "severity": labels.severity,
        RULE_LABEL: labels.rule,
    }
    return [
        *(pytest.mark.allure_label(value, label_type=name) for name, value in named.items()),
        pytest.mark.allure_description(labels.description),
        pytest.mark.allure_link(labels.link, name="In the HTML report", link_type="link"),
    ]


def register_markers(config: pytest.Config) -> None:
    """Register the markers of `marks`, for a run with ``-p no:allure_pytest``: markers are strict."""
    for name in ("allure_label", "allure_description", "allure_link"):
        config.addinivalue_line("markers", f"{name}: what Allure shows of a rule")


def attach(result: Result) -> None:
    """Attach what was found to the running test, once, as bounded JSON, and its picture if it has one.

    A result all of whose violations are in a baseline is marked as known. Without --alluredir nothing happens.
    """
    name, body = attachment(result)
    allure.attach(body, name=name, attachment_type=AttachmentType.JSON)
    picture = share(result)
    if picture is not None:
        allure.attach(picture.file, name=f"{result.id}.svg", attachment_type=AttachmentType.SVG)
    if result.accepted:
        allure.dynamic.label(KNOWN_LABEL, result.reason)  # type: ignore[no-untyped-call]


class RuleIdentity:
    """An Allure plugin that gives each result of a rule the rule's title and identity before it is written.

    What is known, and passes in pytest, stands in Allure as a failure that is accepted. Register it when pytest is
    configured: ``allure_commons.plugin_manager.register(RuleIdentity(labels_of_all_rules))``.
    """

    def __init__(self, labels: Iterable[Labels]) -> None:
        self._labels = {each.rule: each for each in labels}

    @hookimpl(tryfirst=True)
    def report_result(self, result: TestResult) -> None:
        """Complete a finished result for Allure; results without the rule label are unchanged."""
        named = next((label.value for label in result.labels if label.name == RULE_LABEL), None)
        labels = self._labels.get(str(named))
        if labels is None:
            return
        result.name = labels.title
        result.fullName = labels.rule
        result.testCaseId = labels.identity
        result.historyId = labels.identity
        result.parameters = []
        known = next((label.value for label in result.labels if label.name == KNOWN_LABEL), None)
        if known is not None:
            result.status = Status.FAILED
            result.statusDetails = StatusDetails(message=known, known=True)


class _ResultsOnly(AllureFileLogger):
    def report_container(self, container: TestResultContainer) -> None:
        """Not a hook here, so a file for every fixture of every test, two thirds of all files, is not written."""


def results_only(config: pytest.Config) -> None:
    """Let allure-pytest write results and attachments, and nothing about fixtures: it is the same for every rule.

    To be called when the tests are collected. Without --alluredir nothing happens.
    """
    manager = allure_commons.plugin_manager
    usual = next((plugin for plugin in manager.get_plugins() if type(plugin) is AllureFileLogger), None)
    if usual is None:
        return
    manager.unregister(usual)
    manager.register(ours := _ResultsOnly(config.getoption("--alluredir")))  # type: ignore[no-untyped-call]
    config.add_cleanup(lambda: manager.register(usual))  # allure-pytest is going to look for it
    config.add_cleanup(lambda: manager.unregister(ours))
