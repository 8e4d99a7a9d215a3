"""The Ditto SDK itself: loaded once, its chatter silenced. Nothing else imports ditto."""

from __future__ import annotations

import atexit
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from conformance.errors import TargetError
from conformance.extras import pip_command

_MACHINES: Final = "it runs on Linux with glibc 2.35 or newer (Debian 12, Ubuntu 22.04) and on macOS with Apple silicon"


def unavailable() -> str | None:
    """Return why the real store cannot run on this machine, in one line; None where it can."""
    try:
        load()
    except TargetError as error:
        return str(error)
    return None


@cache
def load() -> Any:
    """Return the SDK's module, its native library loaded and silenced: what goes wrong comes as an exception.

    It logs to ``ditto_logs`` in the store's directory all the same.
    """
    try:
        import ditto
    except ImportError as error:
        raise TargetError(f"the Ditto SDK is not installed ({error}): {pip_command('ditto')}; {_MACHINES}") from None
    try:
        with _quiet():
            ditto.DittoLogger.is_enabled = False
    except ditto.DittoError as error:
        newer = re.search(r"GLIBC_([0-9.]+)' not found", str(error))
        why = f"it wants glibc {newer[1]}" if newer else reason_of(error)
        raise TargetError(f"the Ditto SDK cannot be loaded ({why}): install it again; {_MACHINES}") from None
    return ditto


def abandon() -> None:
    """Let the process end although a store does not close: the SDK would wait for it at the end."""
    atexit.unregister(load().ditto._close_at_exit)


def reason_of(error: Exception) -> str:
    """Return the SDK's message in one line, without where to read on."""
    line = " ".join(str(error).split())
    return re.sub(r"^<\w+> |[.]? For more information on Ditto.*$", "", line)[:400]


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what native code prints to stderr nowhere; all of the process's, so for a moment only."""
    try:
        saved = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
