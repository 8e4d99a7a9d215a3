"""With a baseline, a run fails only on new violations and reports fixed ones; severities can be set with a reason."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
from bson import Int64, ObjectId
from jsonschema import Draft202012Validator

from conformance.config.configuration import Configuration, SeverityOverride
from conformance.config.loading import load_configuration
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.report.json_file import SCHEMA, render
from conformance.report.summary import verdict
from conformance.results import Outcome, Report, Result, Sample, TargetInfo, report_from_json
from conformance.rules.catalogue import all_rules
from conformance.run.baseline import LIMIT, Baseline, Known, compare, load, record
from conformance.run.compare import difference
from conformance.run.runner import to_result


@pytest.fixture(scope="module")
def configuration(model: Model) -> Configuration:
    return load_configuration(model, {"START_DATE": "2020-01-01", "END_DATE": "2020-12-31"})


def result(ids: list[Any], violations: int | None = None, status: str = "failed", rule: str = "a.b.c") -> Result:
    samples = tuple(Sample("broken", one) for one in ids)
    number = len(ids) if violations is None else violations
    return Result(rule, "t", "error", status if number else "passed", 9, number, samples, None, {}, 0.0)  # type: ignore[arg-type]


def known(ids: list[str], violations: int | None = None) -> Baseline:
    return Baseline({"a.b.c": Known(violations=len(ids) if violations is None else violations, ids=tuple(ids))})


@pytest.mark.parametrize(
    ("found", "before", "status", "reason", "fixed"),
    [
        (["x"], None, "failed", None, {}),
        (["x"], Baseline({}), "failed", None, {}),
        (["x", "x"], known(["x"]), "failed", "1 new, 1 in the baseline", {}),
        (["x"], known(["x"]), "warned", "known: all 1 are in the baseline", {}),
        (["x", "y"], known(["x"]), "failed", "1 new, 1 in the baseline", {}),
        (["y"], known(["x"]), "failed", "1 new, 1 in the baseline", {"a.b.c": 1}),
        (["x"], known(["x", "y"]), "warned", "known: all 1 are in the baseline", {"a.b.c": 1}),
        ([], known(["x", "y"]), "passed", None, {"a.b.c": 2}),
    ],
    ids=[
        "no baseline",
        "another rule",
        "one document twice",
        "known",
        "one new",
        "another one",
        "one fixed",
        "all fixed",
    ],
)
def test_result_is_compared_with_the_baseline(
    found: list[str], before: dict[str, Known], status: str, reason: str | None, fixed: object
) -> None:
    compared = compare([result(found)], before, shown=5)
    assert (compared.results[0].status, compared.results[0].reason, compared.fixed) == (status, reason, fixed)


def test_only_an_increase_is_new_beyond_the_limit_of_ids() -> None:
    before = known(["x"], violations=50_000)
    assert compare([result(["z"], 50_000)], before, 5).results[0].status == "warned"
    more = compare([result(["z"], 50_003)], before, 5).results[0]
    assert (more.status, more.reason) == ("failed", "3 new, 50000 in the baseline")


def test_new_violations_are_shown_first_and_samples_are_bounded() -> None:
    compared = compare([result(["x", "y", "z"])], known(["x", "y"]), shown=2)
    assert [sample.id for sample in compared.results[0].samples] == ["z", "x"]


def test_recorded_violations_are_known(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(record([result(["y", "x"]), result([], rule="a.b.d")]), encoding="utf-8")
    assert load(path) == known(["x", "y"])


IDS = [5, "5", 5.5, Int64(2**60), True, None, ObjectId("5" * 24), "5" * 24, {"a": 1}, "{'a': 1}", float("nan"), b"5"]


@pytest.mark.parametrize("one", IDS, ids=repr)
def test_ids_of_different_types_are_different_documents(tmp_path: Path, one: Any) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(record([result([one])]), encoding="utf-8")
    found = compare([result(IDS)], load(path), len(IDS)).results[0]
    assert (found.known, found.reason) == (1, f"{len(IDS) - 1} new, 1 in the baseline")
    assert found.samples[-1].id is one
    assert compare([result([one])], load(path), 5).results[0].accepted


def test_setting_and_document_of_the_same_name_are_different(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(record([result(["x"])]), encoding="utf-8")
    setting = dataclasses.replace(result(["x"]), samples=(Sample("wrong", ref="x"),))
    assert compare([setting], load(path), 5).results[0].reason == "1 new, 1 in the baseline"


def test_baseline_of_schema_version_1_is_read(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    old = {"schema_version": 1, "rules": {"a.b.c": {"violations": 2, "ids": ["5", "5" * 24]}}}
    path.write_text(json.dumps(old), encoding="utf-8")
    assert compare([result([5, ObjectId("5" * 24)])], load(path), 5).results[0].accepted


def test_update_keeps_rules_that_did_not_run() -> None:
    before = Baseline({name: Known(violations=1, ids=("x",)) for name in ("a.b.c", "a.b.skipped", "a.b.e", "a.b.gone")})
    results = [result(["y"]), dataclasses.replace(result([], rule="a.b.skipped"), status="skipped")]
    written = json.loads(record(results, before, rules=["a.b.c", "a.b.skipped", "a.b.e"]))
    assert {rule: known["ids"] for rule, known in written["rules"].items()} == {
        "a.b.c": ["y"], "a.b.skipped": ["x"], "a.b.e": ["x"],
    }  # fmt: skip
    passed = json.loads(record([result([])], before, rules=["a.b.c"]))
    assert passed["rules"] == {}


def seconds(number: int) -> float:
    """Return the time for one comparison in which every other violation is known."""
    before = known([f"id {n}" for n in range(0, 2 * number, 2)])
    broken = result([f"id {n}" for n in range(number)])
    started = time.process_time()
    found = compare([broken], before, 5).results[0]
    assert found.new == number // 2
    return time.process_time() - started


def test_comparison_time_is_linear_in_the_number_of_samples() -> None:
    few, many = (min(seconds(number) for _ in range(3)) for number in (LIMIT // 10, LIMIT))
    assert many < 30 * few  # ten times the samples; their square would be 100 times
    assert many < 1


# The reports of a run with a baseline


def report_of(*results: Result, baseline: Baseline | None = None) -> Report:
    """Return a report of the results, compared with the baseline."""
    target = TargetInfo("mongodb://h/", "zava", "6.0.5", embedded=False)
    compared = compare(results, baseline, 5).results
    name = None if baseline is None else "known.json"
    return Report(target, 1, "2026-01-01T00:00:00Z", 0.0, "zava", {}, compared, baseline=name)


PASSED = result([], rule="a.b.d")


@pytest.mark.parametrize("ids", [["x"], ["x", "y"], ["y"], []])
def test_report_with_a_baseline_matches_its_schema(ids: list[str]) -> None:
    report = report_of(result(ids), PASSED, baseline=known(["x"]))
    content = json.loads(render(report))
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(content)
    assert content["run"]["baseline"] == "known.json"
    again = report_from_json(content)
    assert [(each.status, each.known, each.accepted) for each in again.results] == [
        (each.status, each.known, each.accepted) for each in report.results
    ]


def test_verdict_with_known_violations_states_their_number() -> None:
    found = verdict(report_of(result(["x", "y"]), PASSED, baseline=known(["x", "y"])))
    assert found.headline == "CONFORMANT (2 known violations)"
    assert found.sentence == "1 rule is broken only as the baseline known.json records, 1 rule holds"
    assert verdict(report_of(PASSED, baseline=known(["x"]))).headline == "CONFORMANT"


X, Y, XY, NONE = result(["x"]), result(["y"]), result(["x", "y"]), result([])
OF_X, OF_XY = known(["x"]), known(["x", "y"])


@pytest.mark.parametrize(
    ("before", "after", "name", "code"),
    [
        ((X, None), (X, OF_X), "still", 0),
        ((X, OF_X), (X, None), "still", 0),
        ((X, OF_X), (X, OF_X), "still", 0),
        ((X, OF_X), (XY, OF_X), "worse", 1),
        ((X, OF_X), (Y, OF_X), "worse", 1),
        ((X, OF_X), (XY, OF_XY), "worse", 0),
        ((NONE, OF_X), (X, OF_X), "new", 0),
        ((X, OF_X), (NONE, OF_X), "fixed", 0),
        ((XY, None), (X, OF_X), "still", 0),
    ],
    ids=["accepted since", "no longer accepted", "accepted", "one more", "another one", "one more accepted",
         "known from earlier", "fixed", "fewer"],
)  # fmt: skip
def test_violation_accepted_by_a_baseline_is_not_reported_as_fixed(
    before: Any, after: Any, name: str, code: int
) -> None:
    runs = [report_of(found, PASSED, baseline=baseline) for found, baseline in (before, after)]
    found = difference(*runs)
    assert [list_name for list_name, changes in found.lists() if changes] == [name]
    assert found.exit_code() == code


@pytest.mark.parametrize(
    "content", ['{"schema_version": 3, "rules": {}}', "[]", '{"rules": {"a": {}}}', '{"rules": []}', "{"]
)
def test_invalid_baseline_is_one_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_severity_override_is_applied_with_its_reason(model: Model, configuration: Configuration) -> None:
    override = SeverityOverride(rule="totals.orders.*", severity="warning", reason="old tills round down until May")
    altered = dataclasses.replace(configuration, severities=(override,))
    rules = {rule.id: rule for rule in all_rules(model, altered)}
    report_of = to_result(rules["totals.orders.total"], Outcome(3, 1, (Sample("off", "o1"),)), 0.0)
    assert (report_of.status, report_of.severity) == ("warned", "warning")
    assert report_of.reason == "severity set to warning: old tills round down until May"
    assert rules["totals.order_items.line_total"].severity == "error"


def test_severity_override_without_a_matching_rule_is_rejected(model: Model, configuration: Configuration) -> None:
    override = SeverityOverride(rule="totals.order.*", severity="warning", reason="misspelt")
    with pytest.raises(ConfigurationError, match=r"severity\.yaml: no rule matches 'totals\.order\.\*'"):
        all_rules(model, dataclasses.replace(configuration, severities=(override,)))


@pytest.mark.parametrize(("known", "strict", "code"), [(0, True, 1), (0, False, 0), (1, True, 0)])
def test_strict_fails_on_new_warnings_only(known: int, strict: bool, code: int) -> None:
    warned = dataclasses.replace(result(["x"], status="warned"), known=known)
    target = TargetInfo("mongodb://h/", "zava", "6.0.5", embedded=False)
    report = Report(target, 1, "2026-01-01T00:00:00Z", 0.0, "zava", {}, [warned, result([], rule="a.b.d")])
    assert report.exit_code(strict=strict) == code
