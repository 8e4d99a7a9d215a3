"""The suites: their outcome and reports on conformant and on broken data, and the selection of rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from pymongo import MongoClient

from conformance.checks.base import Rule
from conformance.report import json_file
from tests.commands import Done, Workplace
from tests.models import shipped_model
from tests.validation import shipped_project

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
RULES: Mapping[str, Rule] = {rule.id: rule for rule in shipped_project().rules}
#: A collection with references, and one of them.
CHILD = next(c for c in MODEL if c.cardinality.get("setting") == "NUM_ORDERS")
REFERENCE = CHILD.references[0]


@dataclass(frozen=True)
class Whole:
    """One run of everything, with all reports."""

    done: Done
    reports: Path

    @property
    def report(self) -> dict[str, Any]:
        """validation.json."""
        content: dict[str, Any] = json.loads((self.reports / "validation.json").read_text(encoding="utf-8"))
        return content


@pytest.fixture(scope="module")
def whole(workplace: Workplace, generated: Done) -> Whole:
    """`zava conform` on the conformant data that is there: all suites, with all reports."""
    assert generated.code == 0
    return Whole(workplace.run("zava", "conform", "--embedded", "--no-allure"), workplace.root / "reports")


def selected(done: Done) -> set[str]:
    """Return the rules that `--collect-only -q` lists, and the names of tests without a rule."""
    lines = [line for line in done.out.splitlines() if "::" in line]
    return {
        line.rpartition("[")[2].rstrip("]") if "::test_rule[" in line else line.partition("::")[2] for line in lines
    }


def test_conformant_data_is_green(whole: Whole) -> None:
    assert whole.done.code == 0, whole.done.out
    assert "Quality score 100.0" in whole.done.out
    assert {rule["id"] for rule in whole.report["rules"]} == set(RULES)


def test_conform_reuses_the_dataset_and_names_its_reports(whole: Whole) -> None:
    assert "dataset reused" in whole.done.err
    for name in ("validation.json", "validation.html", "junit.xml"):
        assert (whole.reports / name).exists()
        assert str(whole.reports / name) in whole.done.out
    assert whole.report["run"]["command"] == "zava conform --embedded --no-allure"
    assert ": zava conform --embedded --no-allure\n" in whole.done.out


def test_validation_json_equals_the_output_of_validate(workplace: Workplace, whole: Whole) -> None:
    printed = json.loads(workplace.zava("validate", "--embedded", "--format", "json").out)
    reports = [whole.report, printed]
    for report in reports:
        Draft202012Validator(json.loads(json_file.SCHEMA.read_text(encoding="utf-8"))).validate(report)
        del report["run"], report["measured"]  # seconds, and reads of the indexes
        for rule in report["rules"]:
            del rule["duration_s"]
    assert reports[0] == reports[1]


def test_every_rule_has_one_junit_case_and_one_allure_result(whole: Whole) -> None:
    cases = ElementTree.parse(whole.reports / "junit.xml").iter("testcase")  # noqa: S314 - our own file
    names = [case.attrib["name"] for case in cases]
    assert {name for name in names if name.startswith("test_rule[")} == {f"test_rule[{rule}]" for rule in RULES}
    allure = whole.reports / "allure-results"
    results = [json.loads(path.read_text(encoding="utf-8")) for path in allure.glob("*-result.json")]
    labels = [{label["name"]: label["value"] for label in result["labels"]} for result in results]
    assert sorted(each["rule"] for each in labels if "rule" in each) == sorted(RULES)
    assert len(results) == len(names)
    assert {each["epic"] for each in labels} == {"Conformance of zava (generated data)"}
    assert "Integration" in {each["feature"] for each in labels if "rule" not in each}
    assert "MongoDB=" in (allure / "environment.properties").read_text(encoding="utf-8")
    assert json.loads((allure / "categories.json").read_text(encoding="utf-8"))


def cases(reports: Path) -> dict[str, ElementTree.Element]:
    """Return the test cases of the JUnit file by rule."""
    found = ElementTree.parse(reports / "junit.xml").iter("testcase")  # noqa: S314 - our own file
    return {case.attrib["name"][len("test_rule[") : -1]: case for case in found if "test_rule[" in case.attrib["name"]}


def properties(element: ElementTree.Element) -> dict[str, str]:
    """Return the properties of a test case, or of the whole file."""
    return {each.attrib["name"]: each.attrib["value"] for each in element.findall("properties/property")}


def test_junit_file_has_severity_status_counts_and_duration_of_each_rule(whole: Whole) -> None:
    by_id = cases(whole.reports)
    for rule in whole.report["rules"]:
        case = by_id[rule["id"]]
        names = ("severity", "status", "examined", "violations")
        assert properties(case) == {name: str(rule[name]) for name in names}
        assert float(case.attrib["time"]) == pytest.approx(rule["duration_s"], abs=0.002)
    spent = sum(float(case.attrib["time"]) for case in by_id.values())
    assert spent == pytest.approx(sum(rule["duration_s"] for rule in whole.report["rules"]), abs=0.5)
    suite = next(ElementTree.parse(whole.reports / "junit.xml").iter("testsuite"))  # noqa: S314 - our own file
    about = properties(suite)
    assert (about["verdict"], about["warnings"]) == ("CONFORMANT (generated data)", "0")
    assert (about["started_at"], about["quality_score"]) == (whole.report["run"]["started_at"], "100.0")


def test_warning_is_in_the_junit_file(
    workplace: Workplace, mongo: Mongo, copied: str, uri: str, tmp_path: Path
) -> None:
    mongo[copied].create_collection("customers_backup")
    rule = "counts._database.unknown-collections"
    flags = ("--uri", uri, "--reports", str(tmp_path), f"--junitxml={tmp_path / 'junit.xml'}", "--only", rule)
    assert workplace.suites(*flags, env={"MONGODB_DATABASE": copied}).code == 0
    case = cases(tmp_path)[rule]
    assert [properties(case)[name] for name in ("severity", "status", "violations")] == ["warning", "warned", "1"]
    output = case.findtext("system-out") or ""
    assert "Warning: customers_backup: the collection is in the database but no schema defines it" in output
    assert "Fix: Define the collection in schemas/" in output
    assert case.find("failure") is None


@pytest.fixture(scope="module")
def orphan(workplace: Workplace, whole: Whole, mongo: Mongo, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """`pytest suites/` on data in which one document refers to a missing document."""
    assert whole.done.code == 0
    documents = mongo["zava"][CHILD.name]
    victim = documents.find().sort("_id", 1).limit(1)[0]
    target = next(field for field in CHILD.fields if field.name == REFERENCE.field)
    wrong = {str: "00000000-0000-4000-8000-000000000000"}.get(type(victim[target.name]), -1)
    mongo["zava"].command("collMod", CHILD.name, validationLevel="off")
    documents.update_one({"_id": victim["_id"]}, {"$set": {target.name: wrong}})
    reports = tmp_path_factory.mktemp("orphan")
    try:
        done = workplace.suites("--embedded", "--reports", str(reports), "-k", "references")
    finally:
        documents.replace_one({"_id": victim["_id"]}, victim)
        mongo["zava"].command("collMod", CHILD.name, validationLevel="strict")
    return Whole(Done(done.code, done.out, str(victim["_id"])), reports)


def test_broken_reference_fails_its_test_with_the_id(orphan: Whole) -> None:
    rule = f"references.{CHILD.name}.{REFERENCE.field}"
    assert orphan.done.code == 1
    assert f"test_references.py::test_rule[{rule}]" in orphan.done.out
    assert orphan.done.err in orphan.done.out
    failed = {each["id"]: each for each in orphan.report["rules"] if each["status"] == "failed"}
    assert rule in failed
    assert failed[rule]["violations"] == 1
    assert [sample["_id"] for sample in failed[rule]["samples"]] == [orphan.done.err]


SELECTIONS = [
    (["-k", "references"], lambda rule: rule.family == "references"),
    (["--collection", CHILD.name], lambda rule: rule.collection == CHILD.name),
    (["--only", "totals"], lambda rule: "totals" in rule.id),
    (["--only", "counts.*", "--only", "snapshots.*"], lambda rule: rule.family in ("counts", "snapshots")),
    (["--collection", CHILD.name, "-k", "indexes"], lambda r: (r.collection, r.family) == (CHILD.name, "indexes")),
]


@pytest.mark.parametrize(
    ("flags", "wanted"), SELECTIONS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_selection_collects_the_expected_rules(workplace: Workplace, flags: list[str], wanted: Any) -> None:
    done = workplace.suites("--embedded", "--collect-only", *flags)
    expected = {rule.id for rule in RULES.values() if wanted(rule)}
    assert done.code == 0
    assert expected
    assert selected(done) == expected


def test_run_without_a_selection_collects_every_rule(workplace: Workplace) -> None:
    found = selected(workplace.suites("--embedded", "--collect-only"))
    assert found > set(RULES)
    others = {name.partition("[")[0] for name in found - set(RULES)}
    assert "test_document_is_created_read_updated_and_deleted" in others
    assert not any("ratio" in name or "memory" in name for name in others)  # benchmarks run when named


NOTHING = [(["-k", "nosuch"], 2), (["--only", "nosuch"], 2), (["--collection", "nosuch"], 2), (["-n", "2"], 2)]


@pytest.mark.parametrize(("flags", "code"), NOTHING)
def test_nothing_selected_is_an_error(workplace: Workplace, flags: list[str], code: int) -> None:
    done = workplace.suites("--embedded", *flags)
    assert done.code == code, done.out
    assert "INTERNALERROR" not in done.out


@pytest.mark.soak
def test_unreachable_target_exits_3(workplace: Workplace) -> None:
    done = workplace.suites("--uri", "mongodb://u:hunter2@127.0.0.1:1/", "-k", "counts")  # pragma: allowlist secret
    assert done.code == 3
    assert "no server answers at mongodb://u:***@127.0.0.1:1/" in done.out
    assert "hunter2" not in done.out + done.err
    assert "Traceback" not in done.out + done.err
