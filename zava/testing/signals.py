"""Leaving at a signal through every fixture's end: there may be a scratch database to drop, a server to stop."""

from __future__ import annotations

import gc
import os
import signal
import threading
from functools import partial
from types import FrameType
from typing import Any, Final

import pytest

#: Seconds until a signal that came at the wrong moment comes again.
_LATER: Final = 0.05


class Leaving:
    """Raises KeyboardInterrupt at SIGTERM, as Python does at Ctrl-C; ``number`` is that of the first signal.

    SIGTERM does not disturb who is leaving: it may come twice, from whoever ends zava conform and by way of that. An
    import is finished first: broken off, it may keep the lock of all imports, which another thread waits for. So is
    what Python calls back as it collects garbage: what is raised there goes nowhere, but into a warning.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.number: int | None = None
        self.over = False
        self._raised = False
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell has it that runs this in the background
                before = signal.signal(number, self._on_signal)
                config.add_cleanup(partial(_restore, number, before))

    def now(self) -> None:
        """Raise it when there was a signal, for what was raised may have been swallowed."""
        if self.number is not None:
            self._raised = True
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.over or (self._raised and number == signal.SIGTERM):
            return
        self.number = self.number or number
        if uninterruptible(frame):
            threading.Timer(_LATER, os.kill, (os.getpid(), number)).start()
        else:
            self.now()


def _restore(number: int, handler: Any) -> None:
    signal.signal(number, handler)


def uninterruptible(frame: FrameType | None) -> bool:
    """In an import, in what is called back, or between two lines: pytest fails to show where that is."""
    callbacks = [getattr(each, "__code__", None) for each in gc.callbacks]
    while frame is not None:
        code = frame.f_code
        if code in callbacks or code.co_name == "__del__" or code.co_filename.startswith("<frozen importlib"):
            return True
        if frame.f_lineno is None:
            return True
        frame = frame.f_back
    return False
