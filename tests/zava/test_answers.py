"""Lines that a user types on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import Final

import pytest

from tests.root import ROOT

pytestmark = pytest.mark.slow

#: The signal goes to another thread, as if it came just before the read: it does not interrupt the read.
INTERRUPTED: Final = """
import signal, sys, threading, time
from zava.terminal.answers import read_line
def press():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
threading.Thread(target=press).start()
read_line()
"""
ECHO: Final = """
from zava.terminal.answers import read_line
print(repr(read_line()), repr(read_line()), repr(read_line()))
"""


def on_a_terminal(script: str, keys: bytes = b"") -> tuple[int, str]:
    """Run a script with these keys typed ahead on its terminal; return the exit code and the output."""
    main, terminal = pty.openpty()
    try:
        os.write(main, keys)
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=ROOT, stdin=terminal, capture_output=True, text=True, timeout=20)
    finally:
        os.close(main)
        os.close(terminal)
    return done.returncode, done.stdout


def test_interrupt_just_before_the_read_is_seen() -> None:
    assert on_a_terminal(INTERRUPTED) == (130, "")


def test_lines_typed_ahead_are_read_one_by_one() -> None:
    assert on_a_terminal(ECHO, b"yes\n\nlast\n") == (0, "'yes\\n' '\\n' 'last\\n'\n")


def test_lines_and_the_end_of_a_pipe_are_read() -> None:
    done = subprocess.run([sys.executable, "-c", ECHO], cwd=ROOT, input="yes\nno", capture_output=True, text=True)
    assert done.stdout == "'yes\\n' 'no' ''\n"
