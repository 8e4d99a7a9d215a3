"""The HTML of Allure: rendered by Node.js if it is installed, self-contained, with a history."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
from pathlib import Path

import platformdirs
import pytest

from conformance.report.allure import html
from conformance.report.allure.html import FOLDER, VERSION, Rendered, configuration, render_html
from conformance.report.allure.labels import categories, epic, labels, prepare
from conformance.report.allure.page import finished, packed, without_network
from tests.conformance.embedded.processes import eventually
from tests.conformance.report.allure_results import allure_results
from tests.conformance.report.browser import CHROMIUM, Browser, chromium
from tests.conformance.report.report_example import MEASURED, REPORT, result

pytestmark = pytest.mark.node


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
    allure_results(tmp_path, "test_rules.py")
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
    allure_results(tmp_path, "test_rules.py")
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
