"""A second process that ends this one after SIGTERM, if this one cannot.

Python runs a signal's handler between two steps of its own. A thread inside a library's native code (a regular
expression, Ditto's SDK) may keep it from ever getting there. The interpreter writes the signal's number to the wake-up
pipe at once, though, whatever the threads do; the second process reads it there.
"""

from __future__ import annotations

import os
import select
import signal
import time

#: Seconds in which a command must have ended after SIGTERM: it stops servers and drops scratch databases.
GRACE_SECONDS = 15.0


def watch(grace: float = GRACE_SECONDS) -> None:
    """Start the second process; it ends together with this one. Call it in the main thread, before others start."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watched = os.getpid()
    if os.fork() == 0:
        try:
            _keep_only(reading)
            _wait(reading, watched, grace)
        finally:
            os._exit(0)
    os.close(reading)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


def _keep_only(reading: int) -> None:
    """Hold nothing that somebody waits for, such as a pipe's end, and outlive signals to the whole group."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.closerange(3, reading)
    os.closerange(reading + 1, os.sysconf("SC_OPEN_MAX"))


def _wait(reading: int, watched: int, grace: float) -> None:
    """Return when the watched process has ended; end it when it was told to and did not within the time."""
    while numbers := os.read(reading, 64):
        if signal.SIGTERM in numbers:
            break
    else:
        return
    end = time.monotonic() + grace  # another signal does not give more time
    while select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
        if not os.read(reading, 64):
            return
    if os.getppid() == watched:
        os.kill(watched, signal.SIGKILL)
