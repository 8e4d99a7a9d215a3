"""A baseline lets a run fail only on what is new, and says what was fixed; severities can be set with a reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from conformance.baseline import Known, compare, load, record
from conformance.configuration import Configuration, SeverityOverride, load_configuration
from conformance.errors import ConfigurationError
from conformance.model import Model
from conformance.results import Outcome, Report, Result, Sample, TargetInfo
from conformance.rules.catalogue import all_rules
from conformance.runner import judge


@pytest.fixture(scope="module")
def configuration(model: Model) -> Configuration:
    return load_configuration(model, {"START_DATE": "2020-01-01", "END_DATE": "2020-12-31"})


def result(ids: list[str], violations: int | None = None, status: str = "failed", rule: str = "a.b.c") -> Result:
    samples = tuple(Sample("broken", one) for one in ids)
    number = len(ids) if violations is None else violations
    return Result(rule, "t", "error", status if number else "passed", 9, number, samples, None, {}, 0.0)  # type: ignore[arg-type]


def known(ids: list[str], violations: int | None = None) -> dict[str, Known]:
    return {"a.b.c": Known(violations=len(ids) if violations is None else violations, ids=tuple(ids))}


@pytest.mark.parametrize(
    ("found", "before", "status", "reason", "fixed"),
    [
        (["x"], {}, "failed", None, {}),
        (["x"], known(["x"]), "warned", "known: all 1 are in the baseline", {}),
        (["x", "y"], known(["x"]), "failed", "1 new, 1 in the baseline", {}),
        (["y"], known(["x"]), "failed", "1 new, 1 in the baseline", {"a.b.c": 1}),
        (["x"], known(["x", "y"]), "warned", "known: all 1 are in the baseline", {"a.b.c": 1}),
        ([], known(["x", "y"]), "passed", None, {"a.b.c": 2}),
    ],
    ids=["no baseline", "known", "one new", "another one", "one fixed", "all fixed"],
)
def test_judgement(found: list[str], before: dict[str, Known], status: str, reason: str | None, fixed: object) -> None:
    compared = compare([result(found)], before, shown=5)
    assert (compared.results[0].status, compared.results[0].reason, compared.fixed) == (status, reason, fixed)


def test_beyond_the_limit_only_an_increase_is_new() -> None:
    before = known(["x"], violations=50_000)
    assert compare([result(["z"], 50_000)], before, 5).results[0].status == "warned"
    more = compare([result(["z"], 50_003)], before, 5).results[0]
    assert (more.status, more.reason) == ("failed", "3 new, 50000 in the baseline")


def test_new_ones_are_shown_first_and_samples_stay_bounded() -> None:
    compared = compare([result(["x", "y", "z"])], known(["x", "y"]), shown=2)
    assert [sample.id for sample in compared.results[0].samples] == ["z", "x"]


def test_what_is_recorded_is_known(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(record([result(["y", "x"]), result([], rule="a.b.d")]), encoding="utf-8")
    assert load(path) == known(["x", "y"])


@pytest.mark.parametrize("content", ["[]", '{"rules": {"a": {}}}', '{"rules": []}', "{"])
def test_a_file_that_is_no_baseline_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_severity_is_overridden_with_its_reason(model: Model, configuration: Configuration) -> None:
    override = SeverityOverride(rule="totals.orders.*", severity="warning", reason="old tills round down until May")
    altered = dataclasses.replace(configuration, severities=(override,))
    rules = {rule.id: rule for rule in all_rules(model, altered)}
    judged = judge(rules["totals.orders.total"], Outcome(3, 1, (Sample("off", "o1"),)), 0.0)
    assert (judged.status, judged.severity) == ("warned", "warning")
    assert judged.reason == "severity set to warning: old tills round down until May"
    assert rules["totals.order_items.line_total"].severity == "error"


def test_an_override_of_no_rule_is_refused(model: Model, configuration: Configuration) -> None:
    override = SeverityOverride(rule="totals.order.*", severity="warning", reason="misspelt")
    with pytest.raises(ConfigurationError, match=r"severity\.yaml: no rule matches 'totals\.order\.\*'"):
        all_rules(model, dataclasses.replace(configuration, severities=(override,)))


@pytest.mark.parametrize(("reason", "strict", "code"), [(None, True, 1), (None, False, 0), ("known: all 1", True, 0)])
def test_strictness_is_about_what_is_new(reason: str | None, strict: bool, code: int) -> None:
    warned = dataclasses.replace(result(["x"], status="warned"), reason=reason)
    target = TargetInfo("mongodb://h/", "zava", "6.0.5", embedded=False)
    report = Report(target, 1, "2026-01-01T00:00:00Z", 0.0, "zava", {}, [warned, result([], rule="a.b.d")])
    assert report.exit_code(strict=strict) == code
