"""Documentation matches the program, and the source tree follows the project's conventions."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.report.documentation import NOT_APPLICABLE, coverage, data_model, rule_list
from conformance.run.session import Project, load_project
from tests.conformance.embedded.processes import ROOT
from zava.reference import reference

PACKAGES = ("conformance", "generator", "edge", "mcp_servers", "zava", "suites")
#: Packages that contain nothing about one model: facts about a collection are in schemas/ and config/.
GENERIC = ("conformance", "edge", "suites")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
#: The scenarios of Zava's own apps, which name Zava's collections.
SCENARIOS = ROOT / "suites" / "demo"
#: Words of the library's that happen to be a collection's too: Allure calls its classes of failures categories.
HOMONYMS = {
    ("conformance/report/allure/labels.py", "categories.json"),
    ("conformance/report/allure/html.py", "categories"),
}
#: Lines of a module, at most.
LINES = 300
UNFINISHED = re.compile(r"\b(TODO|FIXME)\b")


@pytest.fixture(scope="module")
def project() -> Project:
    """Return the shipped model with the settings used in the documents."""
    return load_project(ROOT)


def relative(path: Path) -> str:
    """Return a module's path relative to the repository."""
    return str(path.relative_to(ROOT))


# Generated documents


def test_data_model_page_equals_the_schemas(project: Project) -> None:
    assert (ROOT / "docs" / "DATA_MODEL.md").read_text(encoding="utf-8") == data_model(project.model)


def test_list_of_rules_equals_the_program(project: Project) -> None:
    assert (ROOT / "docs" / "RULES.md").read_text(encoding="utf-8") == rule_list(project)


def test_reference_equals_the_program() -> None:
    assert (ROOT / "docs" / "API.md").read_text(encoding="utf-8") == reference()


def test_coverage_cell_has_a_rule_or_a_reason(project: Project) -> None:
    table = coverage(project)
    empty = {
        (name, family)
        for name in project.model.collections
        for family, number in table[name].items()
        if not number and family not in NOT_APPLICABLE
    }
    assert empty == set()
    assert all(reason for reason in NOT_APPLICABLE.values())


def test_every_family_has_a_rule(project: Project) -> None:
    totals = {
        family: sum(row[family] for row in coverage(project).values())
        for family in next(iter(coverage(project).values()))
    }
    assert [family for family, number in totals.items() if not number] == []


def test_at_least_150_rules_have_title_why_and_fix(project: Project) -> None:
    assert len(project.rules) >= 150
    assert len({rule.id for rule in project.rules}) == len(project.rules)
    assert [rule.id for rule in project.rules if not (rule.title and rule.why and rule.fix)] == []


# Commands that the documents name


def test_make_targets_named_in_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    named = {
        (relative(path), target)
        for path in documents
        for target in re.findall(r"(?:^ *|`)make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"conform", "test"} <= {target for _, target in named}
    assert {(path, target) for path, target in named if target not in targets} == set()


def test_make_targets_have_a_description() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY:(.*)", makefile, re.MULTILINE)[0].split()
    assert [name for name in phony if not re.search(rf"^{name}:.*## \S", makefile, re.MULTILINE)] == []


def test_links_of_documents_have_targets() -> None:
    broken = [
        (relative(path), link)
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
        for link in re.findall(r"\[[\w .!]+\]\(([\w./-]+)", path.read_text(encoding="utf-8"))
        if "://" not in link and not (path.parent / link).exists()
    ]
    assert broken == []


# The tree


def strings(tree: ast.AST) -> Iterator[str]:
    """Yield every string constant that is not a docstring."""
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


@pytest.mark.parametrize("package", [name for name in GENERIC if (ROOT / name).is_dir()])
def test_library_names_no_collection(project: Project, package: str) -> None:
    own = {field.name for collection in project.model for field in collection.fields if field.name.endswith("_id")}
    forbidden = set(project.model.collections) | (own - {"_id"})
    named = {
        (relative(path), text)
        for path in (ROOT / package).rglob("*.py")
        if not path.is_relative_to(SCENARIOS)
        for text in strings(ast.parse(path.read_text(encoding="utf-8")))
        for word in (text, *text.split("."))
        if word in forbidden
    }
    assert named - HOMONYMS == set()


def test_search_for_names_finds_a_planted_name(project: Project) -> None:
    source = f'"""Docstring."""\nx = database["{next(iter(project.model)).name}"]\n'
    assert set(strings(ast.parse(source))) & set(project.model.collections)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_is_short_and_finished(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LINES
    assert not UNFINISHED.search(source)
    assert ast.get_docstring(ast.parse(source))


def test_no_other_file_is_unfinished() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git repository")
    names = [
        name for name in listed.stdout.split("\0") if name.endswith((".py", ".md", ".yaml", ".json", ".toml", ".js"))
    ]
    assert names
    this = relative(Path(__file__))
    found = [
        name
        for name in names
        if name != this and (ROOT / name).is_file() and UNFINISHED.search((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert found == []
