"""The wheel, installed without a checkout, with the dependencies of the core or of one extra only."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement

from conformance.embedded.server import EmbeddedServer
from conformance.extras import BROUGHT, MODULES
from tests.commands import SIZES
from tests.conformance.embedded.processes import ROOT
from zava.commands import COMMANDS as ALL_COMMANDS

pytestmark = pytest.mark.server

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["optional-dependencies"]


@dataclass(frozen=True)
class Installation:
    """A virtual environment with the wheel, and a folder outside of every checkout with a copy of the model."""

    python: Path
    folder: Path

    def zava(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the installed program in the folder."""
        return self.run("zava", *command, **env)

    def run(self, program: str, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the folder."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return subprocess.run(
            [self.python.with_name(program), *command],
            cwd=self.folder, env={**kept, "ZAVA_CACHE_DIR": str(self.folder / "cache"), "COLUMNS": "200", **env},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the files in git, so that it contains nothing of an earlier build."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("conformance", "edge", "generator", "mcp_servers", "zava"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "--wheel-dir", out, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = out.glob("*.whl")
    return found


def closure(requirements: list[str]) -> set[str]:
    """Return the names of the distributions that the requirements install."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        asked = [{"extra": extra} for extra in wanted.extras] or [{"extra": ""}]
        if wanted.name in found or not (wanted.marker is None or any(map(wanted.marker.evaluate, asked))):
            continue
        if wanted.name == PROJECT["name"]:
            waiting += [Requirement(text) for extra in wanted.extras for text in EXTRAS[extra]]
            continue
        found.add(wanted.name)
        needed = map(Requirement, importlib.metadata.requires(wanted.name) or ())
        waiting += [one for one in needed if one.marker is None or any(map(one.marker.evaluate, asked))]
    return found


def installation(folder: Path, wheel: Path, requirements: list[str], *, copied: bool = True) -> Installation:
    """An environment with the wheel and links to the installed distributions that the requirements install.

    The folder beside it has a copy of this repository's model, unless ``copied`` is false: then it is empty.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    for name in closure(requirements):
        tops = {file.parts[0] for file in importlib.metadata.files(name) or ()} - {"..", "__pycache__"}
        for top in tops:
            if not (site / top).exists():  # a namespace may be that of several
                (site / top).symlink_to(Path(str(importlib.metadata.distribution(name).locate_file(top))))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True)
    model = folder / "model"
    for name in ("schemas", "config") if copied else ():
        shutil.copytree(ROOT / name, model / name)
    model.mkdir(exist_ok=True)
    return Installation(python, model)


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel with its own dependencies only."""
    return installation(tmp_path_factory.mktemp("core"), wheel, PROJECT["dependencies"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an empty server."""
    with EmbeddedServer(tmp_path_factory.mktemp("server"), cache_gb=0.25) as running:
        yield running.uri


def test_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    packages = ("conformance", "edge", "generator", "mcp_servers", "zava")
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "node_modules" not in path.parts
    }
    assert packed == wanted


def test_core_reads_the_model_outside_of_a_checkout(core: Installation) -> None:
    version = core.zava("--version")
    assert (version.returncode, version.stdout) == (0, f"zava {PROJECT['version']}\n"), version.stderr
    rules = core.zava("rules", "--json")
    assert rules.returncode == 0, rules.stderr
    assert len(json.loads(rules.stdout)) > 300
    explained = core.zava("explain", "totals.orders.subtotal")
    assert explained.returncode == 0, explained.stderr


def test_core_writes_the_generated_documents(core: Installation) -> None:
    done = core.zava("docs")
    assert done.returncode == 0, done.stderr
    for name in ("RULES.md", "DATA_MODEL.md"):
        assert (core.folder / "docs" / name).read_text(encoding="utf-8") == (ROOT / "docs" / name).read_text("utf-8")


def test_core_validates_a_server_and_writes_its_reports(core: Installation, server: str) -> None:
    generated = subprocess.run(
        [Path(sys.executable).with_name("zava"), "generate", "--uri", server, "--yes"],
        cwd=core.folder, env={**os.environ, **SIZES}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert generated.returncode == 0, generated.stderr
    done = core.zava("validate", "--uri", server, "--reports", "reports", **SIZES)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((core.folder / "reports" / "validation.json").read_text(encoding="utf-8"))
    assert {result["status"] for result in report["rules"]} <= {"passed", "skipped", "warned"}
    assert "<svg" in (core.folder / "reports" / "validation.html").read_text(encoding="utf-8")
    exported = core.zava("export", "archive", "--uri", server)
    assert exported.returncode == 0, exported.stderr


def test_doctor_examines_the_core_installation(core: Installation, server: str) -> None:
    done = core.zava("doctor", "--uri", server)
    assert done.returncode == 0, done.stdout
    assert "zava-conformance[ditto]" in done.stdout


#: By extra: the commands that need it.
COMMANDS: Final = {
    "ditto": (["sync", "--once"], ["trigger-initial-sync"]),
    "embedded": (["up"], ["validate", "--embedded"]),
    "embeddings": (["embed"],),
    "generate": (["generate", "--yes"], ["import-source", "original"], ["add-product", "--sku", "X"]),
    "mcp": (["mcp", "customer-sales"], ["mcp", "sales-analysis"]),
    "pytest": (["conform"],),
}
WITHOUT_URI: Final = (["up"], ["validate", "--embedded"], ["import-source", "original"])


@pytest.mark.parametrize(("extra", "command"), [(extra, one) for extra, found in COMMANDS.items() for one in found])
def test_missing_extra_is_one_error_with_the_pip_command(
    core: Installation, server: str, extra: str, command: list[str]
) -> None:
    where = [] if command in WITHOUT_URI else ["--uri", server]
    done = core.zava(*command, *where, PATH=str(core.python.parent), MONGODB_DATABASE="other")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, ""), line
    assert " installed; " in line
    assert f"pip install 'zava-conformance[{extra}]'" in line


def test_help_of_every_command_needs_no_extra(core: Installation) -> None:
    program = "from zava.commands import COMMANDS, load; print(*(load(name).name for name in COMMANDS))"
    done = subprocess.run([core.python, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == list(ALL_COMMANDS), done.stderr


#: Requirements of a team that tries the harness on generated data and runs its rules with pytest.
TEAM: Final = [*PROJECT["dependencies"], f"{PROJECT['name']}[embedded,generate,pytest]"]


@pytest.fixture(scope="module")
def team(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel with the extras of a team, beside an empty folder in which `zava init` was run."""
    made = installation(tmp_path_factory.mktemp("team"), wheel, TEAM, copied=False)
    done = made.zava("init")
    assert done.returncode == 0, done.stderr
    return made


def test_starter_model_is_generated_and_conformant_in_an_empty_folder(team: Installation) -> None:
    generated = team.zava("generate", "--embedded")
    assert generated.returncode == 0, generated.stderr
    validated = team.zava("validate", "--embedded", "--strict")
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "CONFORMANT (generated data)" in validated.stdout


def test_rules_run_as_tests_in_a_folder_without_tests(team: Installation) -> None:
    done = team.run("python", "-m", "pytest", "--zava", "--embedded", "-q", "--junitxml=junit.xml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CONFORMANT (generated data)" in done.stdout
    listed = json.loads(team.zava("rules", "--json").stdout)
    ran = (team.folder / "junit.xml").read_text(encoding="utf-8")
    assert all(f"test_rule[{rule['id']}]" in ran for rule in listed)


def test_conform_runs_the_rules_without_suites(team: Installation) -> None:
    (team.folder / "conftest.py").write_text("raise SystemExit('not for zava conform')\n", encoding="utf-8")
    done = team.zava("conform", "--embedded", "--no-allure")
    (team.folder / "conftest.py").unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (team.folder / "reports" / "junit.xml").exists()


def test_package_runs_as_a_module_and_is_typed(team: Installation) -> None:
    version = team.run("python", "-m", "zava", "--version")
    assert (version.returncode, version.stdout) == (0, f"zava {PROJECT['version']}\n"), version.stderr
    typed = "import importlib.resources as r; print(r.files('conformance').joinpath('py.typed').is_file())"
    assert team.run("python", "-c", typed).stdout == "True\n"


def test_pytest_without_its_extra_is_one_error(wheel: Path, tmp_path: Path) -> None:
    bare = installation(tmp_path, wheel, [*PROJECT["dependencies"], "pytest"])
    done = bare.run("python", "-m", "pytest", "--zava")
    assert done.returncode == 4
    assert "pip install 'zava-conformance[pytest]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_imports_per_extra_match_pyproject() -> None:
    """Every module imported for an extra is in a distribution of this extra and not of the core."""
    distributions = importlib.metadata.packages_distributions()
    core = closure(PROJECT["dependencies"])
    for extra, modules in MODULES.items():
        brought = closure([text for text in EXTRAS[extra] if not text.startswith(PROJECT["name"])])
        assert {name.lower() for module in modules for name in distributions[module]} <= brought - core, extra
        inner = [Requirement(text).extras for text in EXTRAS[extra] if text.startswith(PROJECT["name"])]
        assert set(BROUGHT.get(extra, ())) == set().union(*inner), extra
