"""Dockerfile, GitHub Action and starter workflow: compared with their schemas and the files, without running them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.root import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
CHECK = Path(sys.executable).with_name("check-jsonschema")


@pytest.mark.parametrize(
    ("schema", "file"),
    [("vendor.github-actions", "action.yml"), ("vendor.github-workflows", "zava/starter/ci/github.yml")],
)
def test_file_for_github_matches_its_schema(schema: str, file: str) -> None:
    done = subprocess.run([CHECK, "--builtin-schema", schema, ROOT / file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_dockerfile_copies_the_inputs_of_the_wheel() -> None:
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    ]
    assert all((ROOT / name).exists() for name in copied)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = re.findall(r'"(\w+)\*"', re.search(r"include = \[(.*?)\]", project)[1])  # type: ignore[index]
    assert {*packages, "pyproject.toml", "README.md", "LICENSE"} <= set(copied)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    assert set(copied) == let_in


def test_container_does_not_run_as_root() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!root|0)", final, re.MULTILINE)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_action_ends_with_the_exit_code_and_shows_the_verdict(tmp_path: Path, code: int) -> None:
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "validate")
    program = tmp_path / "zava" / "bin" / "zava"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "VERDICT $*"\nexit {code}\n', encoding="utf-8")
    program.chmod(0o755)
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    given = {"MODEL": "some folder", "OPTIONS": "--exclude streams", "RUNNER_TEMP": str(tmp_path), **files}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    line = "VERDICT --model some folder validate --reports some folder/reports --exclude streams"
    assert line in done.stdout
    assert line in (tmp_path / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8")
    assert (tmp_path / "GITHUB_OUTPUT").read_text(encoding="utf-8") == "reports=some folder/reports\n"


def test_inputs_reach_the_shell_as_variables_only() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]
    assert scripts
    assert not any("${{" in script for script in scripts)
