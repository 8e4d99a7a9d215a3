"""The lock files: complete, hashed, with the same versions everywhere, and used by every installation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement

from tests.validation import ROOT

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: Final[dict[str, list[str]]] = {"core": [], **PROJECT["optional-dependencies"]}
#: The lock files are of what somebody installs; the other extras are parts of `all`.
LOCKS: Final = ("all", "bench", "core", "dev", "mutants")
NPM: Final = ("conformance/report/allure/npm", "tests/npm")
#: Instructions that install the project for a user.
INSTALLERS: Final = ("Makefile", ".ci/run", ".github/workflows/conformance.yml", ".github/workflows/tests.yml",
                     "examples/gitlab-ci.yml", "action.yml", "Dockerfile")  # fmt: skip


def locked(extra: str) -> dict[str, list[tuple[Requirement, list[str]]]]:
    """Return the pinned requirements of a lock file with their hashes, by normalized name."""
    text = (ROOT / "requirements" / f"{extra}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[tuple[Requirement, list[str]]]] = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = line.split("--hash=")
            pinned = Requirement(requirement)
            found.setdefault(normalized(pinned.name), []).append((pinned, [one.strip() for one in hashes]))
    return found


def requirements(extra: str) -> list[str]:
    """Return the requirements of an extra, including those of the extras that it includes."""
    found = []
    for text in EXTRAS[extra]:
        wanted = Requirement(text)
        if wanted.name == PROJECT["name"]:
            found += [one for name in sorted(wanted.extras) for one in requirements(name)]
        else:
            found.append(text)
    return found


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def version(pinned: Requirement) -> str:
    (specifier,) = pinned.specifier
    assert specifier.operator == "=="
    return specifier.version


@pytest.mark.parametrize("extra", LOCKS)
def test_lock_file_pins_every_requirement_of_its_extra_with_hashes(extra: str) -> None:
    pins = locked(extra)
    for name, entries in pins.items():
        for pinned, hashes in entries:
            assert version(pinned), name
            assert hashes, f"{name} has no hash"
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), name
    for text in (*PROJECT["dependencies"], *EXTRAS["build"], *requirements(extra)):
        wanted = Requirement(text)
        entries = pins.get(normalized(wanted.name), [])
        assert entries, f"requirements/{extra}.txt lacks {wanted.name}: run make upgrade"
        for pinned, _ in entries:
            assert wanted.specifier.contains(version(pinned), prereleases=True), f"{pinned} is not {wanted}"


def test_every_extra_is_locked() -> None:
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == set(LOCKS)
    unlocked = EXTRAS.keys() - set(LOCKS) - {"build"}
    assert {one for extra in unlocked for one in requirements(extra)} <= set(requirements("all"))


def test_package_has_one_version_in_all_lock_files() -> None:
    versions: dict[str, set[tuple[str, ...]]] = {}
    for extra in LOCKS:
        for name, entries in locked(extra).items():
            versions.setdefault(name, set()).add(tuple(sorted(version(pinned) for pinned, _ in entries)))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("extra", LOCKS)
def test_lock_file_names_no_host(extra: str) -> None:
    text = (ROOT / "requirements" / f"{extra}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in re.sub(r"(?m)^\S+==.*$", "", text)


@pytest.mark.parametrize("folder", NPM)
def test_npm_lock_file_has_hashes_and_names_no_registry(folder: str) -> None:
    lock = json.loads((ROOT / folder / "package-lock.json").read_text(encoding="utf-8"))
    asked = json.loads((ROOT / folder / "package.json").read_text(encoding="utf-8"))
    packages = dict(lock["packages"])
    assert packages.pop("")["dependencies"] == asked["dependencies"]
    assert len(packages) > 50
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


@pytest.mark.parametrize("name", INSTALLERS)
def test_every_installation_uses_a_lock_file(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if re.search(r"\bpip install\b|\$\(PIP\)|\bnpm (install|ci)\b", line)]
    lines = [line for line in lines if not line.startswith("PIP :=")]
    for line in lines:
        hashed = "--require-hashes" in line or "--package-lock-only" in line or "$(NPM_LOCK)" in line
        own = re.search(r"--no-deps --no-build-isolation (--editable )?\.$", line.strip())
        assert hashed or own or "'$(UV)'" in line, line


def asked_to_make(folder: Path, target: str) -> int:
    """Return make's exit code for whether the target is out of date: 0 no, 1 yes."""
    done = subprocess.run(["make", "--question", target], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode


@pytest.mark.parametrize("extra", LOCKS)
def test_changed_lock_file_is_installed_again(tmp_path: Path, extra: str) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    pip, stamp = tmp_path / ".venv" / "bin" / "pip", tmp_path / ".venv" / f".installed-{extra}"
    pip.parent.mkdir(parents=True)
    pip.touch()
    assert asked_to_make(tmp_path, f".venv/.installed-{extra}") == 1
    stamp.touch()  # newer than its lock file
    assert asked_to_make(tmp_path, f".venv/.installed-{extra}") == 0
    earlier = (tmp_path / "requirements" / f"{extra}.txt").stat().st_mtime - 10
    os.utime(stamp, (earlier, earlier))
    assert asked_to_make(tmp_path, f".venv/.installed-{extra}") == 1
