"""zava encode-password: a password as a connection string must hold it."""

from __future__ import annotations

import getpass
import sys
import warnings
from urllib.parse import quote

import typer

from conformance.errors import ConfigurationError


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("encode-password")(encode_password)


def encode_password() -> None:
    """Read a password, without showing it, and print it with every special character as %XX.

    Asks in a terminal; reads one line when something is piped in. The password is never an argument, which every user
    of the machine could see.

    Example: zava encode-password
    """
    typer.echo(encoded(read_password("Password: ")))


def encoded(password: str) -> str:
    """Return the password as it stands in a connection string: all but letters, digits and _.-~ as %XX of its UTF-8."""
    return quote(password, safe="")


def read_password(prompt: str) -> str:
    """Return a password from the terminal, without echo, or the one line that is piped in.

    Raises ConfigurationError when there is none, or when the terminal would show it.
    """
    try:
        password = _asked(prompt) if sys.stdin.isatty() else _piped()
        password.encode()
    except UnicodeError:
        raise ConfigurationError("the password is not UTF-8; check the terminal's encoding") from None
    if not password:
        raise ConfigurationError("no password was given; type it when asked, or pass one line on stdin")
    return password


def _asked(prompt: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt, stream=sys.stderr)
        except getpass.GetPassWarning:
            raise ConfigurationError("this terminal would show what is typed; pipe the password in instead") from None
        except EOFError:
            return ""


def _piped() -> str:
    line, _, rest = sys.stdin.read().partition("\n")
    if rest:
        raise ConfigurationError("more than one line was piped in; a password is one line")
    return line.removesuffix("\r")
