"""Signals, warnings of libraries, and settings of a run of the suites."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo import MongoClient

from tests.commands import Done, Workplace
from zava.testing.signals import uninterruptible

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]


def with_plugin(workplace: Workplace, folder: Path, plugin: str) -> Done:
    """Run a few rules with a plugin of pytest."""
    (folder / "plugin.py").write_text(plugin, encoding="utf-8")
    flags = ("--only", "counts", "--reports", str(folder), "-p", "plugin")
    return workplace.suites("--embedded", *flags, env={"PYTHONPATH": str(folder)})


def test_warning_of_a_library_is_not_a_finding(workplace: Workplace, tmp_path: Path) -> None:
    """Otherwise a new release of a library would fail every verdict."""
    noisy = "import warnings\n\ndef pytest_runtest_setup():\n    warnings.warn('of old', DeprecationWarning)\n"
    done = with_plugin(workplace, tmp_path, noisy)
    assert done.code == 0, done.out
    assert "DeprecationWarning: of old" in done.out


def test_sigterm_ends_the_run_if_its_exception_is_swallowed(workplace: Workplace, tmp_path: Path) -> None:
    """Python discards an exception raised in a callback, for example while it deletes an object."""
    terminated = """
import os, signal
class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
def pytest_runtest_teardown():
    Last()
"""
    done = with_plugin(workplace, tmp_path, terminated)
    assert done.code == 143, done.out
    assert "1 passed" in done.out
    assert "Traceback" not in done.out
    assert not (tmp_path / "validation.json").exists()


def test_second_sigterm_does_not_disturb_the_exit(workplace: Workplace, tmp_path: Path) -> None:
    twice = """
import os, signal
def pytest_runtest_teardown():
    os.kill(os.getpid(), signal.SIGTERM)
pytest_keyboard_interrupt = pytest_runtest_teardown
"""
    done = with_plugin(workplace, tmp_path, twice)
    assert done.code == 143, done.out
    assert "1 passed" in done.out
    assert "Traceback" not in done.out + done.err


def test_signal_waits_for_a_callback_of_the_garbage_collector(workplace: Workplace, tmp_path: Path) -> None:
    collecting = """
import gc, os, pathlib, signal
def collected(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    pathlib.Path(__file__ + ".done").touch()
    gc.callbacks.remove(collected)
def pytest_runtest_teardown():
    gc.callbacks.append(collected)
    gc.collect()
"""
    done = with_plugin(workplace, tmp_path, collecting)
    assert done.code == 143, done.out
    assert "1 passed" in done.out
    assert "Traceback" not in done.out
    assert (tmp_path / "plugin.py.done").exists()


@pytest.mark.parametrize(("line", "wanted"), [(1, False), (None, True)])
def test_signal_between_two_lines_waits(line: int | None, wanted: bool) -> None:
    """Python gives such a place no line number, and pytest, which subtracts from it, fails."""
    inner: Any = SimpleNamespace(f_lineno=line, f_code=(lambda: None).__code__, f_back=sys._getframe())
    assert uninterruptible(inner) is wanted


def test_signal_waits_for_an_import(workplace: Workplace, tmp_path: Path) -> None:
    """An interrupted import could keep the import lock; the rules, which import modules, then waited without end."""
    imported = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nopen(__file__ + '.done', 'w').close()\n"
    (tmp_path / "imported.py").write_text(imported, encoding="utf-8")
    done = with_plugin(workplace, tmp_path, "def pytest_runtest_teardown():\n    import imported\n")
    assert done.code == 143, done.out
    assert "1 passed" in done.out
    assert (tmp_path / "imported.py.done").exists()
    assert not (tmp_path / "validation.json").exists()


def test_unconfigured_ci_exits_2(workplace: Workplace) -> None:
    done = workplace.suites(env={"CI": "true"})
    assert done.code == 2
    assert "CI is set and no server is named" in done.out + done.err


def test_run_without_allow_writes_writes_nothing(workplace: Workplace, generated: Done, mongo: Mongo, uri: str) -> None:
    assert generated.code == 0
    done = workplace.suites("--uri", uri, "-k", "integration or round_trip", "-rs")
    assert done.code == 3  # every rule was skipped
    assert "the rule writes to a scratch database; pass --allow-writes to run it" in done.out
    assert "passed" not in done.out.splitlines()[-1]
    assert not [name for name in mongo.list_database_names() if "_scratch_" in name]
