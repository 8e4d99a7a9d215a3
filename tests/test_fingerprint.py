"""The fingerprint of a generated dataset changes with everything that the documents are made from."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from generator.dataset import _MAKERS
from generator.sources import imported_sources
from tests.judging import ROOT

MADE_BY: Final = dict(imported_sources(*_MAKERS))
#: Prints the fingerprint of the project in the current folder, then after a line feed more in each of the files.
PROGRAM: Final = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path.cwd()))
from conformance.configuration import load_configuration
from conformance.model import load_model
from conformance.settings import Settings
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
    """What a module imports of the project, by Python's own parser."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if ours(name)}


def test_all_that_makers_import_is_found() -> None:
    for name, path in MADE_BY.items():
        assert parsed_imports(path) <= MADE_BY.keys(), name
    wanted = {"conformance.configuration", "conformance.ranges", "conformance.live", "conformance.kinds"}
    assert wanted | set(_MAKERS) <= MADE_BY.keys()
    assert not {name for name in MADE_BY if name.startswith(("zava", "suites", "mcp_servers", "edge", "tests"))}


def test_module_without_a_source_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"the module generator\.nosuch has no source file"):
        imported_sources("generator.nosuch")


CHANGED: Final = (
    "conformance/configuration.py", "conformance/ranges.py", "conformance/live.py", "conformance/kinds.py",
    "conformance/validator.py", "generator/samplers.py", "generator/pools.py", "schemas/orders.json",
    "config/generation.yaml", "config/rules.yaml",
)  # fmt: skip
KEPT: Final = ("conformance/rules/joins.py", "conformance/report/html.py", "generator/archive.py")


def test_fingerprint_changes_with_each_file_that_shapes_documents_and_with_no_other(tmp_path: Path) -> None:
    for name in ("conformance", "generator", "schemas", "config"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-P", "-c", PROGRAM, *CHANGED, *KEPT]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, *after = done.stdout.split()
    changed, kept = after[: len(CHANGED)], after[len(CHANGED) :]
    assert len({before, *changed}) == 1 + len(CHANGED)
    assert kept == [before] * len(KEPT)
    assert len(before) == 64
