"""The pytest plugin in another repository: inactive without `--zava`, compatible with the options used there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zava.starter.init import starter, write

#: A project that uses the words of the plugin for itself.
CONFTEST = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--uri", default="theirs")
    parser.addoption("--model", default="theirs")

@pytest.fixture
def project(request):
    return request.config.getoption("--uri")

@pytest.fixture
def collection():
    return "theirs"
"""
TESTS = """
def test_own(project, collection):
    assert (project, collection) == ("theirs", "theirs")
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:benchmark", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A repository with tests, strict options and a model."""
    write(tmp_path, starter())
    ini = "[pytest]\naddopts = --strict-markers --strict-config\ntestpaths = tests\nfilterwarnings = error\n"
    (tmp_path / "pytest.ini").write_text(ini, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_own.py").write_text(TESTS, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_plugin_without_zava_changes_nothing(team: Path) -> None:
    done = run(team, "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    shown = run(team, "--help").stdout
    assert "--zava " in shown
    assert "--zava-uri" not in shown
    assert not (team / "reports").exists()


@pytest.mark.slow
def test_plugin_without_zava_imports_no_module_of_the_harness() -> None:
    program = "import sys, zava.testing.entry; print([name for name in sys.modules if name.startswith('conformance')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_rules_are_collected_despite_options_and_fixtures_of_the_same_names(team: Path) -> None:
    listed = json.loads(
        subprocess.run(
            [sys.executable, "-m", "zava", "rules", "--json"], cwd=team, capture_output=True, text=True, check=True
        ).stdout
    )
    done = run(team, "--zava", "--zava-embedded", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line for line in done.stdout.splitlines() if "::" in line]
    assert sorted(found) == sorted(f"zava::test_rule[{rule['id']}]" for rule in listed)


@pytest.mark.slow
def test_tests_named_on_the_command_line_run_too(team: Path) -> None:
    done = run(team, "tests", "--zava", "--zava-embedded", "--collect-only", "-q", "--only", "totals")
    assert "zava::test_rule[totals.rentals.price]" in done.stdout
    done = run(team, "tests", "--zava", "--zava-embedded", "--collect-only", "-q")
    assert "tests/test_own.py::test_own" in done.stdout


@pytest.mark.slow
def test_suites_of_three_lines_run_the_rules_of_their_families(tmp_path: Path) -> None:
    write(tmp_path, starter())
    suites = tmp_path / "suites"
    suites.mkdir()
    (suites / "conftest.py").write_text('pytest_plugins = ["zava.testing.rules"]\n', encoding="utf-8")
    (suites / "test_rules.py").write_text("def test_rule(zava_rule):\n    zava_rule()\n", encoding="utf-8")
    done = run(tmp_path, "suites", "--embedded", "--collect-only", "-q", "--only", "references.*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "suites/test_rules.py::test_rule[references.rentals.station_id]" in done.stdout
    with_flag = run(tmp_path, "suites", "--zava", "--embedded", "--collect-only", "-q", "--only", "references.*")
    assert with_flag.stdout.count("::test_rule[references.rentals.station_id]") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--zava", "--zava-samples", "0"), 2, "--samples: found '0'; give a whole number from 1 to 1000"),
        (("--zava", "--only", "nothing-like-it"), 2, "no rule matches 'nothing-like-it'"),
    ],
)
def test_invalid_option_is_one_error(team: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run(team, *arguments)
    assert done.returncode == code
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    done = run(tmp_path, "--zava", "--embedded")
    assert done.returncode == 2
    assert "no model at or above" in done.stdout + done.stderr
