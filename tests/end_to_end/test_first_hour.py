"""The first hour of a new user: the README's commands work, and early errors have a helpful message."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pymongo.errors import ServerSelectionTimeoutError

from conformance.connection.client import failure
from conformance.embedded.server import EmbeddedServer
from tests.commands import BIN, Done, Workplace, copy_of_the_model
from tests.conformance.embedded.processes import ROOT
from zava.commands import COMMANDS

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

README: Final = re.sub(r"^```.*?^```$", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M | re.S)
#: The section about using the package in another repository.
ELSEWHERE: Final = README.partition("## In your own repository\n")[2].partition("\n## ")[0]
#: Commands that the README shows: indented lines without their comments.
SHOWN: Final = [
    re.split(r"\s{2,}#|\s+# or ", line.strip())[0]
    for block in re.findall(r"(?:^ {4}\S.*\n)+", README, re.MULTILINE)
    for line in block.splitlines()
]
#: Commands that take longer than a commit should wait, and one that runs this test.
LONG: Final = ("make conform", ".venv/bin/pytest suites/")
EXCUSED: Final = {
    "make test": "it is what runs this test",
    **dict.fromkeys(
        (line for line in SHOWN if "venv .venv" in line or "pip install" in line), "tests/docs/test_locks.py"
    ),
    **dict.fromkeys((line for line in SHOWN if f"    {line}" in ELSEWHERE), "tests/end_to_end/test_installation.py"),
    **dict.fromkeys((line for line in SHOWN if "zava inspect" in line), "tests/zava/test_inspect.py"),
}
QUICK: Final = [command for command in SHOWN if command not in (*LONG, *EXCUSED)]


def test_every_command_of_the_readme_is_tested_or_excused() -> None:
    assert len(QUICK) >= 5
    assert set(LONG) <= set(SHOWN)
    assert set(EXCUSED) <= set(SHOWN)


@pytest.fixture(scope="module")
def checkout(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Return a clone with what the README's commands use: the model, the suites, the settings and the programs."""
    root = copy_of_the_model(tmp_path_factory.mktemp("checkout") / "clone")
    for name in ("suites", "requirements"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("conftest.py", "pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, root)
    (root / ".venv").mkdir()
    (root / ".venv" / "bin").symlink_to(BIN)
    for name in ("all", "dev"):
        # Nothing is to be installed: pip would go through the link, and this environment would have the clone's code.
        (root / ".venv" / f".installed-{name}").touch()
    return Workplace(root, workplace.cache)


def run(place: Workplace, command: str, env: Mapping[str, str] | None = None) -> Done:
    """Run a line in a shell."""
    path = {"PATH": os.environ["PATH"], **(env or {})}
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=place.root, env=place.environment(path), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False, timeout=600,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("command", QUICK)
def test_quick_command_of_the_readme_succeeds(checkout: Workplace, generated: Done, uri: str, command: str) -> None:
    assert generated.code == 0
    done = run(checkout, command, {"MONGODB_CONNECTION_STRING": uri})
    assert done.code == 0, done.out + done.err
    if command.startswith("cp "):
        (checkout.root / ".env").unlink()  # its placeholder would stop the next one, as it should
    else:
        assert done.out


@pytest.mark.soak
@pytest.mark.parametrize("command", LONG)
def test_long_command_of_the_readme_is_conformant(checkout: Workplace, command: str) -> None:
    done = run(checkout, command)
    assert done.code == 0, done.out[-3000:] + done.err[-3000:]
    assert "CONFORMANT" in done.out
    assert (checkout.root / "reports" / "validation.html").exists()


def test_unedited_env_sample_is_reported_first(checkout: Workplace) -> None:
    shutil.copy(checkout.root / ".env.sample", checkout.root / ".env")
    try:
        done = run(checkout, ".venv/bin/zava validate")
    finally:
        (checkout.root / ".env").unlink()
    assert done.code == 2
    assert "MONGODB_CONNECTION_STRING: found '***', which is the placeholder of .env.sample" in done.line


# Tools that a machine may lack


def fake(folder: Path, name: str, script: str) -> str:
    """Return a program that runs this script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('case "$*" in *version_info*) exit 1;; --version) echo Python 3.9.2;; esac',
         "Python >= 3.11 is needed, Python 3.9.2 was found: apt-get install python3.11 python3.11-venv"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "Python's venv module is missing: apt-get install python3-venv"),
    ],
    ids=["old Python", "no venv"],
)  # fmt: skip
def test_unsuitable_python_is_reported_by_make(checkout: Workplace, tmp_path: Path, script: str, message: str) -> None:
    make = f"make conform VENV={tmp_path}/venv PYTHON={fake(tmp_path, 'python', script)}"
    done = run(checkout, make)
    assert done.code == 2
    assert message in done.out
    assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (
            "mongodb+srv://u:secret@cluster0.ab1cd.mongodb.net/",
            "no server answers at mongodb+srv://u:***@cluster0.ab1cd.mongodb.net/: no server that fits answered in"
            " time; add this machine's IP address in Atlas under Network Access, and see that the cluster is not"
            " paused",
        ),
        (
            "mongodb://127.0.0.1:1/",
            "no server answers at mongodb://127.0.0.1:1/: nothing listens at 127.0.0.1:1; check host and port, and that"
            " the server runs",
        ),
    ],
)
def test_unreachable_server_is_reported_by_its_kind(uri: str, words: str) -> None:
    assert str(failure(ServerSelectionTimeoutError("the driver's own words"), uri)) == words


def test_port_in_use_is_replaced_by_another(tmp_path: Path) -> None:
    import socket

    with EmbeddedServer(tmp_path, cache_gb=0.25, replica_set=False, linger=0.2) as server:
        port = int(re.findall(r":(\d+)/", server.uri)[0])
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with EmbeddedServer(tmp_path, cache_gb=0.25, replica_set=False, linger=0.2) as server:
            assert f":{port}/" not in server.uri


# The shell helps


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed_for_each_shell(workplace: Workplace, shell: str) -> None:
    script = workplace.run("zava", "--show-completion", shell)
    if script.code:  # older versions of typer take it from the environment only
        script = workplace.run("zava", env={"_ZAVA_COMPLETE": f"source_{shell}"})
    assert script.code == 0
    assert "_ZAVA_COMPLETE" in script.out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("zava val", ["validate"]),
        ("zava validate --stri", ["--strict"]),
        ("zava explain totals.orders.sub", ["totals.orders.subtotal"]),
    ],
)
def test_bash_completion_offers_matching_words(workplace: Workplace, words: str, offered: list[str]) -> None:
    env = {"_ZAVA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = workplace.run("zava", env=env)
    assert (done.code, done.err) == (0, "")
    assert done.out.split() == offered


def test_completion_outside_of_a_model_prints_nothing(workplace: Workplace, tmp_path: Path) -> None:
    env = {"_ZAVA_COMPLETE": "complete_bash", "COMP_WORDS": "zava explain t", "COMP_CWORD": "2"}
    done = workplace.run("zava", env=env, cwd=tmp_path)
    assert (done.code, done.out.strip(), done.err) == (0, "", "")


# Workflows

WORKFLOWS: Final = {
    ".github/workflows/conformance.yml": ["--builtin-schema", "vendor.github-workflows"],
    ".github/workflows/tests.yml": ["--builtin-schema", "vendor.github-workflows"],
    "examples/gitlab-ci.yml": ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_match_the_schemas_of_their_hosts(name: str) -> None:
    pytest.importorskip("check_jsonschema", reason="pip install check-jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", *WORKFLOWS[name], str(ROOT / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def steps(name: str) -> list[dict[str, Any]]:
    """Return the steps of a workflow, in their order."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", ["conformance.yml", "tests.yml"])
def test_actions_are_pinned_by_commit_and_keep_no_credentials(name: str) -> None:
    """A tag can be moved to other code; the comment beside the commit names the version."""
    used = [step["uses"] for step in steps(name) if "uses" in step]
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    assert used
    for each in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each), each
        assert re.search(rf"{re.escape(each)} # v[0-9]+\.[0-9]+\.[0-9]+\n", text), each
    checkouts = [step for step in steps(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_history_is_saved_after_a_failed_run() -> None:
    """`actions/cache` saves after a green job only, so that the next run was compared with the wrong one."""
    used = {step["uses"].split("@")[0]: step for step in steps("conformance.yml") if "uses" in step}
    assert "actions/cache" not in used
    restore, save = used["actions/cache/restore"], used["actions/cache/save"]
    assert "!cancelled()" in save["if"]
    assert (restore["with"]["path"], restore["with"]["key"]) == (save["with"]["path"], save["with"]["key"])
    assert "reports/history" in save["with"]["path"]
    (new,) = [step["run"] for step in steps("conformance.yml") if "zava diff" in step.get("run", "")]
    assert new.endswith('>> "$GITHUB_STEP_SUMMARY"')


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="no actionlint on PATH")
def test_actionlint_reports_nothing() -> None:
    done = subprocess.run(
        ["actionlint", *(str(path) for path in (ROOT / ".github" / "workflows").glob("*.yml"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def scripts(part: Any) -> list[str]:
    """Return every line of shell in a workflow."""
    if isinstance(part, Mapping):
        lines = [
            scripts(value)
            for key, value in part.items()
            if key not in ("run", "script", "before_script", "after_script")
        ]
        own = [part[key] for key in ("run", "script", "before_script", "after_script") if key in part]
        texts = [text for each in own for text in (each if isinstance(each, list) else [each])]
        return [line for text in texts for line in str(text).splitlines()] + [line for each in lines for line in each]
    if isinstance(part, list):
        return [line for each in part for line in scripts(each)]
    return []


@pytest.mark.parametrize("name", [name for name in WORKFLOWS if not name.endswith("tests.yml")])
def test_workflows_run_existing_commands_and_contain_no_secret(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = scripts(yaml.safe_load(text))
    used = {match for line in lines for match in re.findall(r"\.venv/bin/zava ([a-z-]+)", line)}
    assert {"conform", "diff"} <= used <= set(COMMANDS)
    assert not re.search(r"mongodb(\+srv)?://", text)
    assert "reports/" in text
    assert "junit.xml" in text or "GITHUB_STEP_SUMMARY" in text
