"""A running process of `tests.torture.actor`: its commands, the writes of its device, and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Final, TextIO

from edge.bridge.callbacks import FOLLOWING
from tests.conformance.embedded.processes import ROOT, eventually

Document = dict[str, Any]
Note = Callable[[Document], None]

#: Seconds in which what is expected happens, on a busy machine.
SOON: Final = 120.0
#: Seconds in which a process ends after SIGTERM.
END: Final = 60.0


@dataclass
class Ended:
    """The exit code and the output of a process."""

    code: int
    out: str
    err: str

    @property
    def clean(self) -> bool:
        """Return whether the process ended without a traceback or a crash of native code."""
        return "Traceback" not in self.err and "panicked" not in self.err


class Process:
    """A running process of `tests.torture.actor`; what its device did goes into the journal."""

    def __init__(self, folder: Path, order: Document, environment: Mapping[str, str], note: Note) -> None:
        self.device: str = order["device"]
        self._note = note
        self._sent = 0
        self._done = 0
        self._out, self._err = folder / f"{order['number']}.out", folder / f"{order['number']}.err"
        reading, writing = os.pipe()
        arguments = {**order, "pipe": writing if order["mode"] != "dump" else 0}
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.torture.actor", json.dumps(arguments)],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=out, stderr=err, pass_fds=[writing], env=environment, bufsize=0,
            )  # fmt: skip
        os.close(writing)
        self._reader = Thread(target=self._read, args=(os.fdopen(reading),), daemon=True)
        self._reader.start()

    def _read(self, lines: TextIO) -> None:
        with lines:
            for line in lines:
                with suppress(ValueError):  # the last line may be cut by a kill
                    entry = json.loads(line)
                    if entry["kind"] == "done":
                        self._done = entry["number"]
                    else:
                        self._note(entry)

    def send(self, do: str, **arguments: Any) -> None:
        """Send a command to the device, and wait until it is done."""
        assert self.process.stdin is not None
        self._sent += 1
        with suppress(OSError):  # it has ended, which the assertion below reports
            self.process.stdin.write(json.dumps({"do": do, "number": self._sent, **arguments}).encode() + b"\n")
        done = eventually(lambda: self._done >= self._sent or self.ended, SOON)
        assert done and not self.ended, f"{do}: not done; exit code {self.process.poll()}; {self._where()}"

    @property
    def ended(self) -> bool:
        """Return whether the process has ended."""
        return self.process.poll() is not None

    @property
    def stderr(self) -> str:
        """Return the content of stderr so far."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition while the process runs."""
        held = eventually(lambda: self.ended or condition(), SOON) and not (self.ended and not condition())
        assert held, f"{what}: not within {SOON:.0f} s; exit code {self.process.poll()}; {self._where()}"

    def in_step(self) -> None:
        """Wait until changes are carried both ways."""
        self.until(lambda: FOLLOWING in self.stderr, "in step")

    def ends(self, seconds: float = 2 * SOON) -> Ended:
        """Wait for the end."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            where = self._where()
            self.kill()
            raise AssertionError(f"the process does not end: {where}") from None
        self._close()
        return Ended(self.process.returncode, self._out.read_text(encoding="utf-8"), self.stderr)

    def stop(self) -> Ended:
        """Send SIGTERM; assert that it exits with 0 and without a traceback, unless `zava` has not started yet."""
        self.process.terminate()
        ended = self.ends(END)
        early = ended.code == -signal.SIGTERM and not ended.err
        assert ended.code == 0 or early, f"exit code {ended.code} after SIGTERM: {ended.err[-600:]}"
        assert ended.clean, ended.err[-2000:]
        return ended

    def fails(self, *codes: int) -> Ended:
        """Wait for the end with one of the exit codes and one line with the reason."""
        ended = self.ends()
        assert ended.code in codes, f"exit code {ended.code}, not {codes}: {ended.err[-600:]}"
        assert ended.clean, ended.err[-2000:]
        assert ended.err.strip().splitlines()[-1].startswith("zava: "), ended.err[-600:]
        return ended

    def _where(self) -> str:
        """Return the end of its output; for a running process, also where its threads are in the project's code."""
        stderr = self.stderr
        if not self.ended:
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(1)
        stacks = [line for line in self.stderr[len(stderr) :].splitlines() if "Thread" in line or "/edge/" in line]
        return "\n".join([stderr[-2000:], *stacks])

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        self._reader.join(SOON)
        if self.process.stdin is not None:
            self.process.stdin.close()
