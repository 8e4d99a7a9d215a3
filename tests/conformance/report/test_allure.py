"""Allure results: labels, categories, attachments, and identities that depend only on the id of the rule."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from conformance.checks.base import Rule, answer, skipped
from conformance.report.allure.labels import attachment, categories, environment_properties, epic, labels, prepare
from conformance.results import Sample
from conformance.rules.families import FAMILIES
from tests.conformance.report.allure_results import allure_results
from tests.conformance.report.report_example import LONG, MEASURED, REPORT, SHARES, TARGET, result

pytestmark = pytest.mark.node


RULE = Rule(
    "references.children.parent_id",
    "Every child's parent exists",
    answer(lambda _: skipped("never asked")),
    why="A device would show a child without its parent.",
    fix="Restore the parent, or remove the child.",
)


@pytest.mark.parametrize("subject", [RULE, REPORT.results[2]], ids=["rule", "result"])
def test_labels_are_equal_before_and_after_the_run(subject: Any) -> None:
    found = labels(subject, epic("shop"))
    assert (found.rule, found.epic, found.feature, found.story, found.severity, found.title) == (
        "references.children.parent_id", "Conformance of shop", "References", "children", "critical",
        "Every child's parent exists",
    )  # fmt: skip
    assert found.description.split("\n\n") == [
        "Every child's parent exists",
        "**Why it matters:** A device would show a child without its parent.",
        "**How to fix it:** Restore the parent, or remove the child.",
        "Rule `references.children.parent_id`, family References: Every document that another one refers to exists, is"
        f" not deleted, and has the same keys. {FAMILIES['references'].method}",
    ]


def test_warning_has_severity_minor() -> None:
    assert labels(result("crdt.children.size", "warned"), "any").severity == "minor"


def test_identity_depends_only_on_the_rule_id() -> None:
    assert labels(RULE, "one").identity == labels(RULE, "other").identity == "51a214945a0262599c3ceac574f662d2"


def test_attachment_has_a_bounded_size() -> None:
    many = tuple(Sample(LONG, id=f"{n}{LONG}") for n in range(1000))
    name, body = attachment(result("counts.a.b", "failed", samples=many, violations=1000, evidence={"x": [LONG] * 99}))
    content = json.loads(body)
    assert name == "counts.a.b.json"
    assert (len(content["samples"]), content["violations"]) == (100, 1000)
    assert len(body) < 300_000
    small = json.loads(attachment(REPORT.results[1])[1])
    assert small["evidence"] == {"expected": [1000, 2000], "found": 990, "low": 1000, "high": 2000}
    assert small["samples"] == [{"ref": "children", "why": "990 documents, NUM_CHILDREN says 1,000"}]


def test_environment_names_the_target_without_its_password(tmp_path: Path) -> None:
    prepare(tmp_path / "results", dataclasses.replace(REPORT, seed=7))
    written = (tmp_path / "results" / "environment.properties").read_text(encoding="ascii")
    properties = dict(line.split("=", 1) for line in written.splitlines())
    assert properties == environment_properties(TARGET, 7)
    assert properties["Server"] == "mongodb://user:***@db.example:27017/?replicaSet=rs0"
    assert (properties["Seed"], properties["Data"]) == ("7", "named server")
    assert json.loads((tmp_path / "results" / "categories.json").read_text(encoding="utf-8")) == categories()


def test_pictures_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    prepare(tmp_path, dataclasses.replace(REPORT, measured=MEASURED))
    assert "sizes.svg" in {path.name for path in folder.iterdir()}
    prepare(tmp_path, dataclasses.replace(REPORT, measured={"references": MEASURED["references"]}))
    assert [path.name for path in folder.iterdir()] == ["references.svg"]
    drawing = ElementTree.fromstring((folder / "references.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    style = drawing.findtext("{http://www.w3.org/2000/svg}style") or ""
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style


def test_environment_properties_escape_any_name(tmp_path: Path) -> None:
    prepare(tmp_path, dataclasses.replace(REPORT, target=dataclasses.replace(TARGET, database="a\\b\nc=é😀")))
    written = (tmp_path / "environment.properties").read_text(encoding="ascii")
    assert written.splitlines()[0] == r"Database=a\\b\\u000ac=\u00e9\ud83d\ude00"


@pytest.mark.parametrize(
    ("status", "message", "category"),
    [
        ("failed", "Failed: references.a.b: 2 of 5", "The data breaks a rule"),
        ("failed", "", "The data breaks a rule"),
        ("failed", "known: all 2 are in the baseline\nsecond line", "Known: accepted"),
        (
            "broken",
            "conformance.errors.TargetError: no answer\nsecond line",
            "The target or the configuration could not be used",
        ),
        ("broken", "E\npymongo.errors.AutoReconnect: gone", "The target or the configuration could not be used"),
        ("broken", "KeyError: 'x'\nsecond line", "The harness or a test is at fault"),
        ("broken", "", "The harness or a test is at fault"),
        ("skipped", "Skipped: needs a named server", "Not examined"),
        ("passed", "", None),
    ],
)
def test_each_result_is_in_one_category_of_allure_2_and_3(status: str, message: str, category: str | None) -> None:
    fitting = [each for each in categories() if status in each["matchedStatuses"]]
    whole = [each["name"] for each in fitting if re.fullmatch(each.get("messageRegex", r"[\s\S]*"), message)]
    part = [each["name"] for each in fitting if re.search(each.get("messageRegex", ""), message)]
    assert whole == part == ([category] if category else [])


def test_history_identity_does_not_depend_on_checkout_file_or_order(tmp_path: Path) -> None:
    def identities(found: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
        keys = ("testCaseId", "historyId")
        rules = [each for each in found if each["name"] != "test_other"]
        return {each["fullName"]: tuple(each[key] for key in keys) for each in rules}

    here = allure_results(tmp_path / "here", "test_counts.py")
    there = allure_results(tmp_path / "there" / "deeper", "test_all.py", order="reversed")
    assert identities(here) == identities(there)
    ids = [each.id for each in REPORT.results if each.family in ("counts", "crdt", "streams")]
    ids.append(SHARES[0].id)
    assert sorted(identities(here)) == sorted(ids)
    assert len({history for _, history in identities(here).values()}) == len(ids) == 5

    size = next(each for each in here if each["fullName"] == "crdt.children.size")
    shown = {label["name"]: label["value"] for label in size["labels"]}
    assert size["name"] == "size is as it must be"
    assert size["historyId"] == labels(REPORT.results[4], "any").identity
    assert "parameters" not in size
    assert [each["name"] for each in size["attachments"]] == ["crdt.children.size.json"]
    assert size["description"].startswith("size is as it must be\n\n**Why it matters:** People")
    assert (shown["epic"], shown["feature"], shown["story"]) == (
        "Conformance of shop",
        "Shapes for devices",
        "children",
    )
    assert (shown["severity"], shown["rule"]) == ("minor", "crdt.children.size")
    assert size["links"] == [
        {"type": "link", "url": "../validation.html#crdt.children.size", "name": "In the HTML report"}
    ]
    other = next(each for each in here if each["name"] == "test_other")
    assert other["fullName"] == "suites.test_counts#test_other"


def test_distribution_has_its_plot_and_known_violations_are_accepted(tmp_path: Path) -> None:
    found = {each["fullName"]: each for each in allure_results(tmp_path, "test_rules.py")}
    share = found["business.children.parent_id-shares"]
    assert [each["type"] for each in share["attachments"]] == ["application/json", "image/svg+xml"]
    drawing = (tmp_path / "results" / share["attachments"][1]["source"]).read_text(encoding="utf-8")
    assert drawing.startswith("<svg xmlns=")
    known = found["counts.children.number"]
    assert known["status"] == "failed"
    assert known["statusDetails"] == {"known": True, "message": "known: all 10 are in the baseline"}
    assert found["counts.parents.number"]["status"] == "passed"


def test_fixtures_are_left_out(tmp_path: Path) -> None:
    results = allure_results(tmp_path, "test_rules.py")
    written = {path.name.rpartition("-")[2] for path in (tmp_path / "results").iterdir()}
    assert results
    assert written == {"result.json", "attachment.json", "attachment.svg"}


@pytest.mark.parametrize(
    ("option", "number"),
    [("--allure-features=Counts", 2), ("--allure-severities=minor", 1), ("--allure-label=rule=crdt.children.size", 1)],
)
def test_options_of_allure_select_rules(option: str, number: int, tmp_path: Path) -> None:
    assert len(allure_results(tmp_path, "test_rules.py", option)) == number
