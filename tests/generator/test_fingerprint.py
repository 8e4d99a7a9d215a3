"""The fingerprint of a generated dataset changes with everything that the documents are made from."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from generator.dataset import _MAKERS
from generator.fingerprint import PACKAGES, imported_sources
from tests.validation import ROOT

pytestmark = pytest.mark.slow

MADE_BY: Final = dict(imported_sources(*_MAKERS))
#: Prints the fingerprint of the project in the current folder, then after a line feed more in each of the files.
PROGRAM: Final = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path.cwd()))
from conformance.config.loading import load_configuration
from conformance.model.schemas.loading import load_model
from conformance.config.settings import Settings
from generator.dataset import fingerprint
model, settings = load_model(Path.cwd()), Settings()
configuration = load_configuration(model, settings.constants())
print(fingerprint(model, settings, configuration))
for path in map(Path, sys.argv[1:]):
    content = path.read_text(encoding="utf-8")
    path.write_text(content + chr(10), encoding="utf-8")
    print(fingerprint(model, settings, configuration))
    path.write_text(content, encoding="utf-8")
"""


def ours(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def parsed_imports(path: Path) -> set[str]:
    """Return the modules of the project that a module imports, by Python's own parser."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [
        each for each in tree.body if not (isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING")
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if ours(name)}


def test_imports_of_generating_modules_are_found() -> None:
    for name, path in MADE_BY.items():
        assert parsed_imports(path) <= MADE_BY.keys(), name
    wanted = {
        "conformance.config.configuration",
        "conformance.model.ranges",
        "conformance.server.metadata",
        "conformance.model.kinds",
    }
    assert wanted | set(_MAKERS) <= MADE_BY.keys()
    assert not {name for name in MADE_BY if name.startswith(("zava", "suites", "mcp_servers", "edge", "tests"))}


def test_module_without_a_source_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"the module generator\.nosuch has no source file"):
        imported_sources("generator.nosuch")


def test_fingerprint_covers_every_package_of_the_project() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    assert {pattern.removesuffix("*") for pattern in packages["find"]["include"]} == PACKAGES


CHANGED: Final = (
    "conformance/config/configuration.py", "conformance/model/ranges.py", "conformance/server/metadata.py",
    "conformance/model/kinds.py", "conformance/model/validators/server_validator.py", "generator/columns/samplers.py",
    "generator/columns/pools.py", "schemas/orders.json", "config/generation.yaml", "config/rules.yaml",
)  # fmt: skip
KEPT: Final = ("conformance/checks/joins/join.py", "conformance/report/html.py", "generator/archive/archive.py")


#: The new path of each moved file. One of them is the module that finds the sources.
MOVED: Final = {
    "generator/fingerprint.py": "generator/data/sources.py",
    "generator/columns/samplers.py": "generator/data/samplers.py",
    "generator/columns/pools.py": "generator/columns/text/pools.py",
    "conformance/config/configuration.py": "conformance/config/files/configuration.py",
}


def copied(folder: Path) -> Path:
    for name in ("conformance", "generator", "schemas", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def fingerprints(folder: Path, changed: Sequence[str], program: str = PROGRAM) -> list[str]:
    """Return the fingerprint of a copy of the project, then the one after a change of each of the files."""
    command = [sys.executable, "-P", "-c", program, *changed]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_fingerprint_changes_exactly_with_files_that_shape_documents(tmp_path: Path) -> None:
    before, *after = fingerprints(copied(tmp_path), [*CHANGED, *KEPT])
    changed, kept = after[: len(CHANGED)], after[len(CHANGED) :]
    assert len({before, *changed}) == 1 + len(CHANGED)
    assert kept == [before] * len(KEPT)
    assert len(before) == 64


def test_fingerprint_changes_with_files_moved_into_sub_packages(tmp_path: Path) -> None:
    copied(tmp_path)
    names = {old.removesuffix(".py").replace("/", "."): new.removesuffix(".py").replace("/", ".")
             for old, new in MOVED.items()}  # fmt: skip
    for old, new in MOVED.items():
        (tmp_path / new).parent.mkdir(exist_ok=True)
        (tmp_path / new).parent.joinpath("__init__.py").touch()
        (tmp_path / old).rename(tmp_path / new)
    program = PROGRAM
    for old, new in names.items():
        program = re.sub(rf"\b{re.escape(old)}\b", new, program)
        for path in tmp_path.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(rf"\b{re.escape(old)}\b", new, text), encoding="utf-8")
    found = fingerprints(tmp_path, [*MOVED.values(), "generator/columns/__init__.py"], program)
    # The module that finds the sources does not shape documents: only a change of it keeps the fingerprint.
    assert found[0] == found[1]
    assert len(set(found)) == len(found) - 1


def test_relative_import_is_followed(tmp_path: Path) -> None:
    copied(tmp_path)
    recipes = tmp_path / "generator" / "columns" / "recipes.py"
    text = recipes.read_text(encoding="utf-8")
    recipes.write_text(text.replace("from generator.columns.pools import", "from .pools import"), encoding="utf-8")
    assert "from .pools import" in recipes.read_text(encoding="utf-8")
    before, after = fingerprints(tmp_path, ["generator/columns/pools.py"])
    assert before != after


def test_import_of_a_missing_module_is_an_error(tmp_path: Path) -> None:
    copied(tmp_path)
    loader = tmp_path / "generator" / "loader.py"
    gone = "\n\ndef late() -> None:\n    from generator.gone import nothing\n"
    loader.write_text(loader.read_text(encoding="utf-8") + gone, encoding="utf-8")
    with pytest.raises(AssertionError, match=r"FileNotFoundError: the module generator\.gone has no source file"):
        fingerprints(tmp_path, [])
