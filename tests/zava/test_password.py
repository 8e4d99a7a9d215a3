"""zava encode-password: input is not shown, and the output is the encoded form for a connection string."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from pymongo.uri_parser import parse_uri

from tests.commands import BIN
from tests.conformance.embedded.processes import eventually
from zava.servers.password import encoded

SECRETS: Mapping[str, str] = {
    "correct horse": "correct%20horse",
    "p@ss/w:rd?#[]": "p%40ss%2Fw%3Ard%3F%23%5B%5D",
    "100%+=&": "100%25%2B%3D%26",
    "größe": "gr%C3%B6%C3%9Fe",
    "\U0001f511": "%F0%9F%94%91",
    "Az09_.-~": "Az09_.-~",
}


@pytest.mark.parametrize("secret", SECRETS)
def test_every_special_character_is_escaped(secret: str) -> None:
    assert encoded(secret) == SECRETS[secret]
    assert parse_uri(f"mongodb://user:{encoded(secret)}@host/")["password"] == secret


def run(typed: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "utf-8:strict"}
    command = [str(BIN / "zava"), "encode-password"]
    return subprocess.run(command, input=typed, capture_output=True, env=environment, cwd=folder, check=False)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=repr)
def test_piped_line_is_encoded(end: bytes, tmp_path: Path) -> None:
    done = run(b"p@ss w" + end, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"p%40ss%20w\n", b"")


@pytest.mark.parametrize(
    ("typed", "message"),
    [(b"", "no password"), (b"\n", "no password"), (b"a\nb\n", "one line"), (b"\xff\xfe", "UTF-8")],
)
def test_invalid_password_is_rejected_without_printing_it(typed: bytes, message: str, tmp_path: Path) -> None:
    done = run(typed, tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


class Terminal:
    """The program in a terminal of its own; `screen` holds all output."""

    def __init__(self, folder: Path) -> None:
        self.screen = b""
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [str(BIN / "zava"), "encode-password"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # the session's own terminal
        )
        os.close(slave)
        os.set_blocking(self._master, False)

    def shows(self, text: bytes) -> bool:
        """Wait until the text is on the screen."""
        return eventually(lambda: self._read() is None and text in self.screen)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def ended(self) -> int:
        """Wait for the program and return its exit code."""
        code = self.process.wait(timeout=20)
        self._read()
        os.close(self._master)
        return code

    def _read(self) -> None:
        try:
            self.screen += os.read(self._master, 10_000)
        except OSError:  # nothing there, or the other side is closed
            return


def test_typed_password_is_not_shown(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    assert terminal.shows(b"Password: ")
    terminal.type(b"s3cret/pass\n")
    assert terminal.shows(b"s3cret%2Fpass")
    assert terminal.ended() == 0
    assert b"s3cret/pass" not in terminal.screen


@pytest.mark.parametrize(("keys", "code"), [(b"\x04", 2), (b"\n", 2)], ids=["end of input", "nothing"])
def test_missing_input_is_reported(keys: bytes, code: int, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    assert terminal.shows(b"Password: ")
    terminal.type(keys)
    assert terminal.shows(b"no password was given")
    assert terminal.ended() == code


def test_ctrl_c_at_the_prompt_exits_130(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    assert terminal.shows(b"Password: ")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.ended() == 130
    assert b"Traceback" not in terminal.screen
