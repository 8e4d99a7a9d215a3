"""Allure 3's HTML report through Node, as one file; without Node, or when anything fails, one line says why not.

The npm package is installed once, at the versions that npm/package-lock.json pins with their hashes, into the user's
cache (about 6 s and 53 MB), and later runs need no network. `npx allure@3` would ask the registry each time. Allure's
page calls Google Analytics when it is opened; a report of a business's data calls nobody, so the call is taken out and
a Content-Security-Policy forbids any other (allure_page.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import platformdirs

from conformance.errors import ConfigurationError
from conformance.files.packaged import packaged
from conformance.files.writing import write_text
from conformance.report.allure.labels import PICTURES, categories
from conformance.report.allure.page import finished

#: The folder with package.json and package-lock.json, which `make upgrade` renews.
_PINNED: Final = packaged(__package__, "npm")
_LOCK: Final = (_PINNED / "package-lock.json").read_bytes()
VERSION: Final[str] = json.loads(_LOCK)["packages"]["node_modules/allure"]["version"]
#: The installation's folder in the cache: another lock file, another folder.
FOLDER: Final = f"allure-{VERSION}-{hashlib.sha256(_LOCK).hexdigest()[:8]}"
_INSTALL_SECONDS: Final = 180
_RENDER_SECONDS: Final = 120
_HISTORY_LIMIT: Final = 20
#: Labels that allure-pytest adds for programmers; a reviewer reads epic, feature and story.
_HIDDEN_LABELS: Final = ["host", "thread", "framework", "language", "package", "parentSuite", "suite", "subSuite"]
#: Makes the report in Node.js.
_SCRIPT: Final = packaged(__package__, "templates/allure.mjs")


@dataclass(frozen=True)
class Rendered:
    """``path`` of the report's index.html; or None, and in ``reason`` one line that says why."""

    path: Path | None
    reason: str | None = None


class _UnavailableError(Exception):
    """One line that says why there is no report."""


def render_html(
    results: Path,
    out: Path,
    *,
    title: str,
    history: Path | None = None,
    cache: Path | None = None,
) -> Rendered:
    """Render the Allure results in ``results`` to ``out``/index.html, one file that opens from disk.

    ``history`` is a file of JSON lines to which every run is added, so that trends appear; ``cache`` the folder where
    Allure is installed (default: the user's cache). Never raises: without Node or npm, when the install fails or takes
    too long, or when Allure fails, the answer has no path but a reason, and an older report stays as it was.
    """
    try:
        if not any(results.glob("*-result.json")):
            raise _UnavailableError(f"{results} holds no Allure results; run pytest with --alluredir={results}")
        node = _command("node")
        program = _installed((cache or platformdirs.user_cache_path("conformance")) / FOLDER)
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".rendering-") as scratch:
            made = _render(node, program, results.resolve(), Path(scratch).resolve(), title, history)
            write_text(out / "index.html", finished(made.read_text(encoding="utf-8")))
    except OSError as error:
        return Rendered(None, f"no Allure HTML: {error.filename or out}: {error.strerror}")
    except (_UnavailableError, ConfigurationError, UnicodeError) as error:
        return Rendered(None, f"no Allure HTML: {error}")
    return Rendered(out / "index.html")


def configuration(output: Path, results: Path, title: str, history: Path | None) -> dict[str, Any]:
    """Allure 3's configuration: the awesome report in one file, by epic, feature and story, with our categories.

    Its quality gate is the verdict: nothing failed but what is known, and something was examined.
    """
    kept = {"historyPath": str(history.resolve()), "historyLimit": _HISTORY_LIMIT} if history else {}
    return {
        "name": title,
        "output": str(output),
        "categories": categories(),
        "hideLabels": _HIDDEN_LABELS,
        "qualityGate": {"rules": [{"id": "conformance", "maxFailures": 0, "minTestsCount": 1}]},
        "globalAttachments": [f"{results.name}/{PICTURES}/*.svg"],
        "plugins": {
            "awesome": {
                "options": {
                    "reportName": title,
                    "singleFile": True,
                    "reportLanguage": "en",
                    "groupBy": ["epic", "feature", "story"],
                }
            }
        },
        **kept,
    }


def _render(node: str, program: Path, results: Path, scratch: Path, title: str, history: Path | None) -> Path:
    output = scratch / "report"
    file = scratch / "allurerc.json"
    file.write_text(json.dumps(configuration(output, results, title, history)), encoding="utf-8")
    _run([node, str(_SCRIPT), str(program), str(file), str(results)], _RENDER_SECONDS, scratch, "rendering it")
    made = sorted(output.rglob("index.html"), key=lambda path: len(path.parts))
    if not made:
        raise _UnavailableError(f"Allure {VERSION} wrote no index.html")
    return made[0]


def _installed(folder: Path) -> Path:
    """Return Allure's library in the cache; install it first if it is missing, beside its place and then renamed."""
    program = folder / "node_modules" / "@allurereport" / "core" / "dist" / "index.js"
    if program.is_file():
        return program
    npm = _command("npm")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for file in _PINNED.glob("package*.json"):
            shutil.copy(file, scratch)
        options = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"]
        _run([npm, "ci", "--prefix", str(scratch), *options], _INSTALL_SECONDS, scratch, "npm ci")
        _take_place(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not program.is_file():
        raise _UnavailableError(f"npm installed allure {VERSION} without {program.name}; remove {folder} and run again")
    return program


def _take_place(scratch: Path, folder: Path) -> None:
    """Rename; when another run was quicker, its folder stays."""
    try:
        scratch.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _command(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise _UnavailableError(f"{name} is not on PATH; install Node.js 20 or later (apt-get install nodejs npm)")
    return path


def _run(arguments: list[str], seconds: int, folder: Path, doing: str) -> None:
    try:
        done = subprocess.run(
            arguments, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _UnavailableError(f"{doing} took more than {seconds} s") from None
    if done.returncode:
        raise _UnavailableError(f"{doing} failed (exit {done.returncode}): {_last_line(done.stderr or done.stdout)}")


def _last_line(output: str) -> str:
    """Return what the program said that tells most: npm's first error, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("npm error")]
    return (errors or lines[-1:] or ["it said nothing"])[0][:200]
