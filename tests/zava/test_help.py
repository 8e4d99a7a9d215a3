"""Help, usage errors and the table of commands."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.testing import CliRunner

from tests.commands import Workplace
from tests.conformance.embedded.processes import ROOT
from zava import commands
from zava.main import app

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]


COMMANDS = sorted(commands.COMMANDS)


# Help and documents


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "Example: " in shown.stdout
    assert f"zava {command}" in shown.stdout.partition("Example: ")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"zava {command}" in path.read_text(encoding="utf-8") for path in texts)


def test_help_is_printed_by_the_program(workplace: Workplace) -> None:
    done = workplace.run("zava", "--help")
    assert (done.code, done.err) == (0, "")
    assert all(command in done.out for command in COMMANDS)


@pytest.mark.parametrize("module", sorted({module for module, _ in commands.COMMANDS.values()}))
def test_command_table_lists_every_command_of_a_module(module: str) -> None:
    registered = typer.Typer()
    registered.callback()(lambda: None)
    import_module(module).register(registered)
    listed = {name for name, (where, _) in commands.COMMANDS.items() if where == module}
    assert set(typer.main.get_group(registered).commands) == listed


def test_help_imports_no_command() -> None:
    heavy = {"pymongo", "numpy", "conformance.model.collection"}
    script = f"import sys, zava.main; print(sorted(sys.modules.keys() & {heavy!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_signal_at_exit_prints_no_traceback() -> None:
    script = "import atexit, os, signal, sys; atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
    script += "sys.argv = ['zava', '--help']; from zava.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "Usage: zava" in done.stdout
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


WRONG_USAGE = [
    ["nosuch"],
    ["validate", "--nosuch"],
    ["validate", "--format", "nosuch"],
    ["validate", "--sample", "0"],
    ["validate", "--uri", "mongodb://127.0.0.1:1/", "--embedded"],
    ["validate", "--only", "nosuch"],
    ["validate", "--collection", "nosuch"],
    ["rules", "--only", "nosuch"],
    ["explain", "nosuch"],
    ["explain"],
]


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_usage_error_exits_2_with_a_line_on_stderr(workplace: Workplace, arguments: list[str]) -> None:
    done = workplace.zava(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.line.startswith("zava: ")


@pytest.mark.parametrize("arguments", [[], ["mcp"]], ids=["zava", "zava mcp"])
def test_group_without_a_command_shows_its_help(workplace: Workplace, arguments: list[str]) -> None:
    done = workplace.zava(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: zava")
