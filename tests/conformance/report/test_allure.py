"""Allure: labels, identities that depend only on the rule's id, and HTML only if Node.js is installed."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import platformdirs
import pytest

from conformance.checks.base import Rule, answer, skipped
from conformance.report.allure import html
from conformance.report.allure.html import FOLDER, VERSION, Rendered, configuration, render_html
from conformance.report.allure.labels import attachment, categories, environment_properties, epic, labels, prepare
from conformance.report.allure.page import finished, packed, without_network
from conformance.results import Sample
from conformance.rules.families import FAMILIES
from tests.conformance.embedded.processes import eventually
from tests.conformance.report.browser import CHROMIUM, Browser, chromium
from tests.conformance.report.report_example import LONG, MEASURED, REPORT, SHARES, TARGET, result
from tests.root import ROOT

pytestmark = pytest.mark.node

TARGET_CATEGORY = "The target or the configuration could not be used"
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


CONFTEST = """
import allure_commons
from conformance.report.allure.labels import labels, epic
from conformance.report.allure.pytest_plugin import RuleIdentity, results_only
from tests.conformance.report.report_example import REPORT, SHARES

LABELS = [labels(result, epic("shop")) for result in [*REPORT.results, *SHARES]]

def pytest_configure(config):
    identity = RuleIdentity(LABELS)
    allure_commons.plugin_manager.register(identity)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(identity))

def pytest_collection_finish(session):
    results_only(session.config)
"""
SUITE = """
from dataclasses import replace

import pytest
from conformance.report.allure.labels import labels, epic
from conformance.report.allure.pytest_plugin import attach, marks
from tests.conformance.report.report_example import REPORT, SHARES

KNOWN = replace(REPORT.results[1], status="warned", reason="known: all 10 are in the baseline", known=10)
RESULTS = [*REPORT.results, *SHARES[:1], KNOWN]
RULES = {result.id: result for result in RESULTS if result.family in FAMILIES}
PARAMETERS = [pytest.param(id, marks=marks(labels(RULES[id], epic("shop")))) for id in ORDER(RULES)]

@pytest.mark.parametrize("rule", PARAMETERS)
def test_rule(rule):
    attach(RULES[rule])

def test_other():
    pass
"""


def _allure_results(checkout: Path, suite: str, *options: str, order: str = "list") -> list[dict[str, Any]]:
    folder = checkout / "suites"
    folder.mkdir(parents=True)
    (checkout / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    source = SUITE.replace("FAMILIES", "('counts', 'crdt', 'streams', 'business')").replace("ORDER", order)
    (folder / suite).write_text(source, encoding="utf-8")
    arguments = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "allure_pytest.plugin",
        "--alluredir",
        str(checkout / "results"),
        *options,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *arguments]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(path.read_text(encoding="utf-8")) for path in (checkout / "results").glob("*-result.json")]


def test_history_identity_does_not_depend_on_checkout_file_or_order(tmp_path: Path) -> None:
    def identities(found: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
        keys = ("testCaseId", "historyId")
        rules = [each for each in found if each["name"] != "test_other"]
        return {each["fullName"]: tuple(each[key] for key in keys) for each in rules}

    here = _allure_results(tmp_path / "here", "test_counts.py")
    there = _allure_results(tmp_path / "there" / "deeper", "test_all.py", order="reversed")
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
    found = {each["fullName"]: each for each in _allure_results(tmp_path, "test_rules.py")}
    share = found["business.children.parent_id-shares"]
    assert [each["type"] for each in share["attachments"]] == ["application/json", "image/svg+xml"]
    drawing = (tmp_path / "results" / share["attachments"][1]["source"]).read_text(encoding="utf-8")
    assert drawing.startswith("<svg xmlns=")
    known = found["counts.children.number"]
    assert known["status"] == "failed"
    assert known["statusDetails"] == {"known": True, "message": "known: all 10 are in the baseline"}
    assert found["counts.parents.number"]["status"] == "passed"


def test_fixtures_are_left_out(tmp_path: Path) -> None:
    results = _allure_results(tmp_path, "test_rules.py")
    written = {path.name.rpartition("-")[2] for path in (tmp_path / "results").iterdir()}
    assert results
    assert written == {"result.json", "attachment.json", "attachment.svg"}


@pytest.mark.parametrize(
    ("option", "number"),
    [("--allure-features=Counts", 2), ("--allure-severities=minor", 1), ("--allure-label=rule=crdt.children.size", 1)],
)
def test_options_of_allure_select_rules(option: str, number: int, tmp_path: Path) -> None:
    assert len(_allure_results(tmp_path, "test_rules.py", option)) == number


RESULTS = "a-result.json"


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with one Allure result in results/; PATH contains only its bin/ and the system's tools."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / RESULTS).write_text("{}", encoding="utf-8")
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "mkdir", "touch", "cat", "sleep", "printf"):
        (tmp_path / "bin" / tool).symlink_to(Path("/bin") / tool)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def _rendered(place: Path) -> Rendered:
    return render_html(place / "results", place / "allure", title="Conformance of shop", cache=place / "cache")


CORE = "node_modules/@allurereport/core/dist"
NPM = f'mkdir -p "$3/{CORE}"; touch "$3/{CORE}/index.js"; echo x >>"$0.calls"'
PAGE = "<html><head><title>x</title></head><body>made</body></html>"
NODE = f"mkdir -p report/awesome; printf '%s' '{PAGE}' >report/awesome/index.html"


@pytest.mark.parametrize(
    ("npm", "node", "reason"),
    [
        (NPM, None, "node is not on PATH; install Node.js 20 or later (apt-get install nodejs npm)"),
        (None, NODE, "npm is not on PATH; install Node.js 20 or later (apt-get install nodejs npm)"),
        ("echo 'npm warn x' >&2; echo 'npm error network' >&2; echo 'npm error log' >&2; exit 1", NODE,
         "npm ci failed (exit 1): npm error network"),
        ("exit 7", NODE, "npm ci failed (exit 7): it said nothing"),
        ("exit 0", NODE, f"npm installed allure {VERSION} without index.js; remove {{cache}} and run again"),
        ("exec sleep 60", NODE, "npm ci took more than 0.2 s"),
        (NPM, "echo one; echo 'Cannot find module' >&2; exit 1", "rendering it failed (exit 1): Cannot find module"),
        (NPM, "exit 0", f"Allure {VERSION} wrote no index.html"),
        (NPM, "exec sleep 60", "rendering it took more than 0.2 s"),
    ],
    ids=["no node", "no npm", "install fails", "install fails silently", "install makes nothing", "install hangs",
         "render fails", "render makes nothing", "render hangs"],
)  # fmt: skip
def test_missing_html_is_explained_in_one_line(
    npm: str | None, node: str | None, reason: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "took more" in reason:
        monkeypatch.setattr(html, "_INSTALL_SECONDS" if "npm ci" in reason else "_RENDER_SECONDS", 0.2)
    for name, script in (("npm", npm), ("node", node)):
        if script is not None:
            _program(place / "bin", name, script)
    (place / "allure").mkdir()
    (place / "allure" / "index.html").write_text("the last run's", encoding="utf-8")
    expected = reason.replace("{cache}", str(place / "cache" / FOLDER))
    assert _rendered(place) == Rendered(None, f"no Allure HTML: {expected}")
    assert [path.name for path in (place / "allure").iterdir()] == ["index.html"]
    assert (place / "allure" / "index.html").read_text(encoding="utf-8") == "the last run's"
    assert not list((place / "cache").glob(".*"))


def test_missing_results_are_reported(place: Path) -> None:
    (place / "results" / RESULTS).unlink()
    rendered = _rendered(place)
    assert rendered.path is None
    assert str(rendered.reason).startswith(f"no Allure HTML: {place / 'results'} holds no Allure results; run pytest")


def test_unwritable_folder_is_reported_in_one_line(place: Path) -> None:
    _program(place / "bin", "npm", NPM)
    _program(place / "bin", "node", NODE)
    (place / "allure").write_text("a file where the folder should be", encoding="utf-8")
    assert _rendered(place) == Rendered(None, f"no Allure HTML: {place / 'allure'}: File exists")


def test_allure_is_installed_once_and_renders_each_time(place: Path) -> None:
    _program(place / "bin", "npm", NPM)
    _program(
        place / "bin", "node", f"{NODE}; cat allurerc.json >'{place}/configuration'; echo \"$@\" >'{place}/arguments'"
    )
    for _ in range(2):
        assert _rendered(place) == Rendered(place / "allure" / "index.html")
    assert (place / "bin" / "npm.calls").read_text(encoding="utf-8") == "x\n"
    assert (place / "allure" / "index.html").read_text(encoding="utf-8") == finished(PAGE)
    assert [path.name for path in (place / "allure").iterdir()] == ["index.html"]
    given = json.loads((place / "configuration").read_text(encoding="utf-8"))
    assert given["categories"] == categories()
    arguments = (place / "arguments").read_text(encoding="utf-8").split()
    assert Path(arguments[0]).name == "allure.mjs"
    assert arguments[1] == str(place / "cache" / FOLDER / CORE / "index.js")
    assert arguments[-1] == str((place / "results").resolve())


def test_history_is_kept_only_if_a_file_is_given(tmp_path: Path) -> None:
    assert "historyPath" not in configuration(tmp_path, tmp_path, "t", None)
    kept = configuration(tmp_path, tmp_path, "t", tmp_path / "history" / "allure.jsonl")
    assert (kept["historyPath"], kept["historyLimit"]) == (str(tmp_path / "history" / "allure.jsonl"), 20)


def test_page_makes_no_network_request() -> None:
    analytics = (
        '<script async src="https://www.googletagmanager.com/gtag/js?id=G-1"></script>\n<script>\n'
        "  window.dataLayer = window.dataLayer || [];\n</script>"
    )
    page = without_network(f"<head></head><body><script>kept()</script>{analytics}<script>also()</script></body>")
    assert "googletagmanager" not in page
    assert "dataLayer" not in page
    assert "<script>kept()</script><script>also()</script>" in page
    assert page.startswith('<head><meta http-equiv="Content-Security-Policy" content="default-src data: blob: ')


def test_packed_data_is_unpacked_unchanged() -> None:
    pieces = {"widgets/tree.json": '{"ü": "\\"</script>"}' * 200, "data/x.json": "[]", "empty": ""}
    calls = ",".join(f'd("{name}","{base64.b64encode(text.encode()).decode()}")' for name, text in pieces.items())
    page = f"<script defer>\n Promise.allSettled([{calls}])\n .then(function(){{ ready() }})\n</script>"
    small = packed(page)
    assert len(small) < len(page) / 3
    assert re.search(r"\)\)\)\s*\.then\(function\(\)\{ ready", small)
    (data,) = re.findall(r"base64,([\w+/=]+)", small)
    unpacked = json.loads(gzip.decompress(base64.b64decode(data)))
    assert {name: text.encode("latin-1").decode() for name, text in unpacked.items()} == pieces


@pytest.mark.parametrize("page", ["", "<p>another page</p>", "Promise.allSettled([other()]).then(x)"])
def test_page_of_another_format_is_not_changed(page: str) -> None:
    assert packed(page) == page


INSTALLED = platformdirs.user_cache_path("conformance") / FOLDER
needs_allure = pytest.mark.skipif(not INSTALLED.is_dir(), reason=f"Allure {VERSION} is not installed in {INSTALLED}")


@needs_allure
def test_real_allure_renders_and_keeps_the_history(tmp_path: Path) -> None:
    _allure_results(tmp_path, "test_rules.py")
    prepare(tmp_path / "results", dataclasses.replace(REPORT, measured=MEASURED))
    history = tmp_path / "history" / "allure.jsonl"
    for _ in range(2):
        rendered = render_html(tmp_path / "results", tmp_path / "allure", title="Conformance of shop", history=history)
        assert rendered == Rendered(tmp_path / "allure" / "index.html")
    page = (tmp_path / "allure" / "index.html").read_text(encoding="utf-8")
    assert "Conformance of shop" in page
    assert "googletagmanager" not in page
    first, second = (json.loads(line) for line in history.read_text(encoding="utf-8").splitlines())
    assert first["testResults"].keys() == second["testResults"].keys()
    assert "crdt.children.size" in {each["fullName"] for each in first["testResults"].values()}


@needs_allure
def test_old_node_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _allure_results(tmp_path, "test_rules.py")
    pretend = "Object.defineProperty(process.versions, 'node', {value: '18.19.0'})"
    (tmp_path / "old.cjs").write_text(pretend, encoding="utf-8")
    monkeypatch.setenv("NODE_OPTIONS", f"--require {tmp_path / 'old.cjs'}")
    reason = render_html(tmp_path / "results", tmp_path / "allure", title="x").reason
    assert reason == "no Allure HTML: rendering it failed (exit 1): Node.js 18.19.0 is too old; install 20 or later"


READY = "window.allureReportDataReady === true && document.body.innerText.includes('Results')"


def opened(browser: Browser, page: Path, width: int = 1280) -> None:
    """Open Allure's page and wait until it is rendered."""
    browser.open(page, width=width)
    assert eventually(lambda: browser.ask(READY))


@pytest.mark.soak
@needs_allure
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium")
def test_page_of_500_rules_with_a_history_opens_and_is_small(tmp_path: Path) -> None:
    results = tmp_path / "reports" / "allure-results"
    results.mkdir(parents=True)
    for number in range(500):
        about = labels(result(f"documents.children.field_{number}"), epic("shop"))
        status = "failed" if number == 7 else "passed"
        content = {
            "uuid": f"{number:032x}", "name": about.title, "fullName": about.rule, "status": status,
            "historyId": about.identity, "testCaseId": about.identity, "start": number, "stop": number + 1,
            "statusDetails": {"message": "Failed: 2 of 5"} if number == 7 else {}, "description": about.description,
            "labels": [{"name": "epic", "value": about.epic}, {"name": "feature", "value": about.feature},
                       {"name": "story", "value": about.story}, {"name": "severity", "value": about.severity}],
            "links": [{"type": "link", "url": about.link, "name": "In the HTML report"}],
        }  # fmt: skip
        (results / f"{number:032x}-result.json").write_text(json.dumps(content), encoding="utf-8")
    prepare(results, dataclasses.replace(REPORT, measured=MEASURED))
    history = tmp_path / "history.jsonl"
    for _ in range(3):
        rendered = render_html(results, tmp_path / "reports" / "allure", title="Conformance of shop", history=history)
    assert rendered.path is not None
    assert rendered.path.stat().st_size < 5_000_000
    with chromium(tmp_path / "profile") as browser:
        opened(browser, rendered.path)
        text = browser.ask("document.body.innerText")
        assert re.search(r"Results\s*500", text)
        assert re.search(r"Quality Gates\s*2", text)
        assert re.search(r"Global Attachments\s*4", text)
        assert "Conformance of shop" in text
        first = browser.ask("Object.keys(allureReportData).find((name) => name.startsWith('data/test-results/'))")
        browser.ask(f"location.hash = '{Path(first).stem}'")
        link = "document.querySelector('a[href^=\"https://html-report.invalid/\"]')"
        assert eventually(lambda: browser.ask(f"{link} !== null"))
        browser.ask(f"(window.there = {link}).target = '_self'")
        browser.ask("addEventListener('click', (event) => event.preventDefault())")
        browser.ask("there.click()")
        assert browser.ask("there.getAttribute('href')").startswith("../validation.html#documents.children.field_")
        assert browser.complaints == []
