"""Thresholds and waivers: accepted violations are known, further ones fail, and an ended waiver does not apply."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from conformance.checks.base import Rule, answer
from conformance.config.acceptance import WAIVED, SeverityOverride, Waiver, waived_document
from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.report import json_file
from conformance.report.explanation import accepted as explained
from conformance.results import Outcome, Report, Result, TargetInfo
from conformance.rules.catalogue import all_rules
from conformance.run.acceptance import accepted
from conformance.run.merge import merged
from conformance.run.runner import Run, to_result
from tests.validation import configuration_for, context_for

TODAY = dt.date(2026, 3, 1)


@pytest.fixture
def configuration(model: Model) -> Configuration:
    """The model's own configuration."""
    return configuration_for(model)


def rule(**options: Any) -> Rule:
    """Return a rule whose check finds nothing."""
    return Rule("crdt.orders.shapes", "No array", answer(lambda _: Outcome()), **options)


def thresholds(**limits: Any) -> SeverityOverride:
    """Return an entry of config/severity.yaml."""
    return SeverityOverride(rule="*", reason="as agreed", **limits)


def result_of(violations: int, examined: int = 1000, **options: Any) -> Result:
    """Return the result of this number of violations."""
    return to_result(rule(**options), Outcome(examined, violations), 0.1)


def report_of(result: Result) -> Report:
    """Return a report with one result."""
    return Report(TargetInfo("mongodb://h/", "d", "6.0", False), 1, "2026-01-01T00:00:00Z", 1.0, "x", {}, [result])


@pytest.mark.parametrize(
    ("limits", "violations", "status", "code", "strict"),
    [
        ({"warn_above": 5, "fail_above": 10}, 0, "passed", 0, 0),
        ({"warn_above": 5, "fail_above": 10}, 5, "warned", 0, 0),
        ({"warn_above": 5, "fail_above": 10}, 6, "warned", 0, 1),
        ({"warn_above": 5, "fail_above": 10}, 10, "warned", 0, 1),
        ({"warn_above": 5, "fail_above": 10}, 11, "failed", 1, 1),
        ({"warn_above": "0.5 %", "fail_above": "1%"}, 5, "warned", 0, 0),
        ({"warn_above": "0.5 %", "fail_above": "1%"}, 6, "warned", 0, 1),
        ({"warn_above": "0.5 %", "fail_above": "1%"}, 11, "failed", 1, 1),
        ({"fail_above": 10}, 1, "warned", 0, 1),
        ({"fail_above": 0}, 1, "failed", 1, 1),
        ({"warn_above": 10}, 10, "warned", 0, 0),
        ({"warn_above": 10}, 999, "warned", 0, 1),
    ],
)
def test_thresholds_set_the_status(
    limits: dict[str, Any], violations: int, status: str, code: int, strict: int
) -> None:
    result = result_of(violations, thresholds=thresholds(**limits))
    assert result.status == status
    report = report_of(result)
    if violations:
        assert (report.exit_code(), report.exit_code(strict=True)) == (code, strict)
        assert "as agreed" in str(result.reason)
        assert f"{violations:,} of 1,000" in str(result.reason)
    schema = json_file.SCHEMA.read_text(encoding="utf-8")
    Draft202012Validator(json.loads(schema)).validate(report.as_json())


def test_percentage_threshold_is_exceeded_if_nothing_was_examined() -> None:
    assert result_of(1, 0, thresholds=thresholds(fail_above="99 %")).status == "failed"


@pytest.mark.parametrize("value", [-1, 0.5, "x", "101 %", "5", True, None])
def test_invalid_threshold_is_rejected(value: Any) -> None:
    with pytest.raises(ValidationError):
        thresholds(fail_above=value)


@pytest.mark.parametrize("limits", [{}, {"severity": "warning", "fail_above": 1}])
def test_severity_entry_without_or_with_two_settings_is_rejected(limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        thresholds(**limits)


def waiver(**options: Any) -> Waiver:
    """Return an entry of config/waivers.yaml."""
    return Waiver(**{"rule": "crdt.*", "until": "2026-03-01", "reason": "moved in April", **options})


def waived(*waivers: Waiver, samples: tuple[str, ...] = ("tags is an array", "tags is an array")) -> Result:
    """Return the result of a rule with waivers, validated on this day."""
    is_waived = waived_document(waivers, TODAY)
    accepts = [why for why in samples if is_waived is not None and is_waived(why)]
    bare = to_result(rule(), Outcome(10, len(samples)), 0.1)
    return accepted(rule(waivers=waivers), bare, len(accepts), TODAY)


def test_waiver_applies_on_its_last_day() -> None:
    result = waived(waiver())
    assert (result.status, result.known, result.accepted) == ("warned", 2, True)
    assert result.reason == "known: waived until 2026-03-01: moved in April"


def test_ended_waiver_does_not_apply() -> None:
    result = waived(waiver(until="2026-02-28"))
    assert (result.status, result.known) == ("failed", 0)
    assert "ended on 2026-02-28" in str(result.reason)


@pytest.mark.parametrize("why", ["tags is an array", "tags.x is null", "tags: bad name", "tags is odd; tags.y is odd"])
def test_waiver_of_a_path_waives_problems_there_and_below(why: str) -> None:
    assert waived(waiver(path="tags"), samples=("tags is an array", why)).accepted


@pytest.mark.parametrize(
    "why",
    [
        "tags_old is an array",
        "notes is an array",
        "x.tags is an array",
        "tags is an array; notes is an array",
        "notes is an array; tags is an array",
        "fields that the schema does not define: tags",
    ],
)
def test_waiver_of_a_path_does_not_apply_to_other_paths(why: str) -> None:
    result = waived(waiver(path="tags"), samples=("tags is an array", why))
    assert (result.status, result.known) == ("failed", 0)
    assert str(result.reason) == "the waiver of tags accepts 1 of 2"


def test_waived_documents_of_all_parts_are_counted_together() -> None:
    about = rule(waivers=(waiver(path="tags", until="2999-01-01"),))
    for last, status in ((1, "warned"), (0, "failed")):
        numbers = ((2, 2), (1, last))
        parts = [[to_result(about, Outcome(5, found, evidence={WAIVED: ok}), 0.1)] for found, ok in numbers]
        (result,) = merged([about], parts, 5)
        assert (result.status, result.violations, result.accepted) == (status, 3, status == "warned")


def test_waivers_of_several_paths_apply_together() -> None:
    both = (waiver(path="tags"), waiver(path="notes", until="2026-03-05", reason="notes too"))
    result = waived(*both, samples=("tags is an array; notes is an array", "notes is an array"))
    assert result.accepted
    assert result.reason == "known: waived until 2026-03-01: moved in April; notes too"


@pytest.mark.server
@pytest.mark.parametrize(("also", "status"), [({}, "warned"), ({"more": [1]}, "failed")])
def test_document_with_another_problem_is_not_waived(
    model: Model, configuration: Configuration, database: Any, also: dict[str, Any], status: str
) -> None:
    database.orders.insert_many(
        [{"_id": f"o{n}", "tags": [1]} for n in range(9)] + [{"_id": "other", "tags": [1], **also}]
    )
    entry = waiver(rule="crdt.orders.arrays", path="tags", until="2999-01-01")
    rules = all_rules(model, replace(configuration, waivers=(entry,)))
    context = context_for(model, database)
    with Run([rule for rule in rules if rule.id == "crdt.orders.arrays"], context) as run:
        (result,) = run.results()
    assert (result.status, result.violations) == (status, 10)
    assert result.accepted is (not also)
    assert len(result.samples) == (1 if also else context.sample_size)


def test_waiver_of_a_path_requires_a_rule_that_reports_paths(model: Model, configuration: Configuration) -> None:
    entry = waiver(rule="documents.orders.*", path="status")
    with pytest.raises(ConfigurationError, match="matches no rule that can be waived at a path"):
        all_rules(model, replace(configuration, waivers=(entry,)))


@pytest.mark.server
def test_more_waived_documents_than_a_report_lists_are_counted(
    model: Model, configuration: Configuration, database: Any
) -> None:
    database.orders.insert_many({"_id": f"o{n:05}", "tags": [1]} for n in range(10_500))
    database.orders.insert_one({"_id": "p", "more": [1]})
    entry = waiver(rule="crdt.orders.arrays", path="tags", until="2999-01-01")
    rules = all_rules(model, replace(configuration, waivers=(entry,)))
    with Run([rule for rule in rules if rule.id == "crdt.orders.arrays"], context_for(model, database)) as run:
        (result,) = run.results()
    assert (result.status, result.violations) == ("failed", 10_501)
    assert [sample.id for sample in result.samples] == ["p"]
    assert "the waiver of tags accepts 10,500 of 10,501" in str(result.reason)


@pytest.mark.parametrize("until", ["soon", "2026-13-01", 20260101, dt.datetime(2026, 1, 1)])
def test_waiver_with_an_invalid_date_is_rejected(until: Any) -> None:
    with pytest.raises(ValidationError):
        waiver(until=until)


def test_waiver_and_thresholds_reach_their_rules(model: Model, configuration: Configuration) -> None:
    entry = SeverityOverride(rule="totals.*", warn_above=3, reason="r")
    changed = replace(configuration, waivers=(waiver(rule="crdt.orders.*"),), severities=(entry,))
    rules = all_rules(model, changed)
    assert all((rule.thresholds == entry) == (rule.family == "totals") for rule in rules)
    assert all(bool(rule.waivers) == rule.id.startswith("crdt.orders.") for rule in rules)


def test_waiver_without_a_matching_rule_is_rejected(model: Model, configuration: Configuration) -> None:
    with pytest.raises(ConfigurationError, match=r"waivers\.yaml: no rule matches 'nothing'"):
        all_rules(model, replace(configuration, waivers=(waiver(rule="nothing"),)))


def test_explanation_lists_thresholds_and_waivers() -> None:
    limits = thresholds(warn_above=3, fail_above="0.5 %")
    assert list(explained(rule(thresholds=limits, waivers=(waiver(path="tags"),)))) == [
        "Thresholds: warn_above 3, fail_above 0.5 % (as agreed)",
        "Waived at tags until 2026-03-01: moved in April",
    ]
