"""The maps of the tree in README.md and docs/ARCHITECTURE.md match the tree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.root import ROOT

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE: Final = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
PACKAGES: Final = ("conformance", "edge", "generator", "mcp_servers", "zava")
#: Rows of a map: what it names, and the files to start at.
ROW: Final = re.compile(r"^\| (`[\w/]+`(?:, `[\w/]+`)*) \|.*\| (`.+`) \|$", re.MULTILINE)

#: The module of an import, wherever in a file it is.
IMPORT: Final = re.compile(r"^ *(?:from|import) ([\w.]+)", re.MULTILINE)


def starts(text: str) -> dict[str, list[str]]:
    """Return the files to start at, by the folder of the row."""
    return {
        folder.strip("/"): re.findall(r"`([^`]+)`", files)
        for folders, files in ROW.findall(text)
        for folder in re.findall(r"`([^`]+)`", folders)
    }


def test_architecture_map_names_every_package() -> None:
    packages = {str(path.parent.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("__init__.py")}
    suites = {f"suites/{path.relative_to(ROOT / 'suites').parts[0]}" for path in (ROOT / "suites").glob("*/**/*.py")}
    assert packages | suites | {"suites"} == starts(ARCHITECTURE).keys()


#: Modules of a package: about 12, and never more than this.
MAX_MODULES: Final = 14


def test_package_holds_few_modules() -> None:
    modules = Counter(
        str(path.parent.relative_to(ROOT))
        for name in (*PACKAGES, "suites", "tests")
        for path in (ROOT / name).rglob("*.py")
        if path.name != "__init__.py" and not (name == "tests" and path.name.startswith("test_"))
    )
    assert {package: count for package, count in modules.items() if count > MAX_MODULES} == {}


def upward_imports(rows: Sequence[str]) -> list[tuple[str, str]]:
    """Return imports of a package by one in a row below it, except by the packages inside it."""
    row = {folder: number for number, folder in enumerate(rows)}
    found = []
    for folder, number in row.items():
        for path in (ROOT / folder).glob("*.py"):
            for module in IMPORT.findall(path.read_text(encoding="utf-8")):
                parts = module.split(".")
                packages = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
                package = next((each for each in packages if each in row), None)
                if package and row[package] < number and not folder.startswith(f"{package}/"):
                    found.append((str(path.relative_to(ROOT)), module))
    return found


def test_packages_import_only_from_rows_below_theirs() -> None:
    assert upward_imports(list(starts(ARCHITECTURE))) == []


def test_import_of_a_row_above_is_reported() -> None:
    assert ("zava/starter/init.py", "zava.verdict.infer") in upward_imports(["zava/verdict", "zava/starter"])


def test_readme_map_names_every_folder_of_code_and_model() -> None:
    assert {*PACKAGES, "schemas", "config", "suites", "tests", "examples"} == starts(README).keys()


@pytest.mark.parametrize("text", [README, ARCHITECTURE], ids=["README", "ARCHITECTURE"])
def test_files_to_start_at_exist(text: str) -> None:
    assert [
        (folder, file)
        for folder, files in starts(text).items()
        for file in files
        if not (ROOT / folder / file).exists() and not (ROOT / file).exists()
    ] == []


def test_files_named_in_the_architecture_exist() -> None:
    named = set(re.findall(rf"`((?:{'|'.join(PACKAGES)}|suites|tests|config|schemas)/[\w/.]+)`", ARCHITECTURE))
    assert len(named) > 40
    assert [name for name in named if not (ROOT / name).exists()] == []


PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: A file of the tree in backquotes, such as `tests/faults/test_faults.py`.
FILE: Final = re.compile(rf"`((?:{'|'.join(PACKAGES)}|suites|tests|config|schemas|examples|docs)/[\w/.-]+\.\w+)`")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_named_in_a_page_exist(path: Path) -> None:
    assert [name for name in FILE.findall(path.read_text(encoding="utf-8")) if not (ROOT / name).is_file()] == []


def test_make_targets_named_in_contributing_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(
        re.findall(r"(?:^ *|`)make ([a-z]+)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {"check", "test"} <= named <= targets
