"""How the program ends when something fails that no command handles: one line and its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.commands import BIN
from tests.conformance.embedded.processes import ROOT

pytestmark = pytest.mark.slow

#: A key press during the import of a library.
EARLY: Final = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background takes from its children
class Finder:
    @staticmethod
    def find_spec(name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
sys.meta_path.insert(0, Finder)
from zava.__main__ import main
main()
"""
#: A library that turns the exit of an interrupted program into an error of its own, as pydantic does.
SWALLOWED: Final = """
import os, signal, zava.main

def library(**_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except SystemExit as exit:
        raise ValueError("cannot build the serializer") from exit

zava.main.app = library
zava.main.run()
"""


def test_interrupted_start_shows_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", EARLY], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "zava: interrupted\n")


def test_interrupted_library_shows_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "zava: interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_full_disk_under_the_output_is_one_line_with_the_fix() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [str(BIN / "zava"), "rules"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr == (
        "zava: output: cannot be written: No space left on device; free space, or write it elsewhere\n"
    )
