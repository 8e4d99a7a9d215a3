"""Allure's labels on pytest's tests, and an identity for each rule that no file name, order or machine changes.

By itself allure-pytest takes a result's testCaseId from the test function and its place in the tree, so that all
rules of one parametrised test share it, and Allure 3 tells them apart by the shown parameters; a rule moved to
another file would lose its history. Here the rule's id is the identity.
"""

from __future__ import annotations

from collections.abc import Iterable

import allure
import pytest
from allure_commons import hookimpl
from allure_commons.model2 import TestResult
from allure_commons.types import AttachmentType

from conformance.report.allure import Labels, attachment
from conformance.results import Result

#: The label by which a result says which rule it is of.
RULE_LABEL = "rule"


def marks(labels: Labels) -> list[pytest.MarkDecorator]:
    """The marks of a test of that rule, for pytest.param(rule.id, marks=…).

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
    ]


def attach(result: Result) -> None:
    """Attach what was found to the running test, once, as bounded JSON; without --alluredir nothing happens."""
    name, body = attachment(result)
    allure.attach(body, name=name, attachment_type=AttachmentType.JSON)


class RuleIdentity:
    """An Allure plugin that gives each result of a rule the rule's title and identity before it is written.

    Register it in pytest_configure: ``allure_commons.plugin_manager.register(RuleIdentity(labels_of_all_rules))``.
    """

    def __init__(self, labels: Iterable[Labels]) -> None:
        self._labels = {each.rule: each for each in labels}

    @hookimpl(tryfirst=True)
    def report_result(self, result: TestResult) -> None:
        """Called by Allure with every finished result; those without the rule label stay as they are."""
        named = next((label.value for label in result.labels if label.name == RULE_LABEL), None)
        labels = self._labels.get(str(named))
        if labels is None:
            return
        result.name = labels.title
        result.fullName = labels.rule
        result.testCaseId = labels.identity
        result.historyId = labels.identity
        result.parameters = []
