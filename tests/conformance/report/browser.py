"""Headless Chromium, driven over its debugging pipe: load a page and evaluate JavaScript in it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

CHROMIUM: Final = shutil.which("chromium") or shutil.which("google-chrome")
_FLAGS: Final = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe",
                 "--disable-extensions", "--disable-background-networking", "--hide-scrollbars")  # fmt: skip


class Browser:
    """One page. ``complaints`` are errors of the console, exceptions, and what the page was not allowed to load."""

    def __init__(self, answers: BinaryIO, commands: BinaryIO) -> None:
        self.complaints: list[str] = []
        self._in, self._out = answers, commands
        self._number = 0
        self._events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def open(self, path: Path, width: int = 1200, height: int = 900, media: str = "screen", scheme: str = "light",
             script: bool = True, at: str = "") -> None:  # fmt: skip
        """Load a file on a screen of this size, scrolled to ``at``, and wait until it is loaded."""
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.complaints.clear()
        self._events.clear()
        self.call("Page.navigate", url=path.as_uri() + (f"#{at}" if at else ""))
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._read()

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page; wait for a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def key(self, name: str, code: int) -> None:
        """Press and release a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def picture(self, path: Path, whole: bool = False) -> None:
        """Save a picture of the page as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self) -> bytes:
        """Return the page as a printed PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol to the page and return its result."""
        return self._call(method, self._session, **parameters)

    def _call(self, method: str, session: str | None = None, /, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self) -> dict[str, Any]:
        received = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            received += byte
        message: dict[str, Any] = json.loads(received)
        if "method" in message:
            self._events.append(message)
            self.complaints += _complaints(message)
        return message


def _complaints(event: Mapping[str, Any]) -> Iterator[str]:
    parameters = event.get("params", {})
    if event["method"] == "Runtime.exceptionThrown":
        yield str(parameters["exceptionDetails"])
    if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
        yield parameters["entry"]["text"]
    if event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
        yield str(parameters["args"])


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a browser with a new profile in this folder; stop it afterwards."""
    assert CHROMIUM
    to_read, to_write = os.pipe(), os.pipe()

    def hand_over() -> None:
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_write[0], to_read[1])]
        for place, end in enumerate(ends, 3):  # Chromium reads its commands from 3 and answers on 4
            os.dup2(end, place)

    command = [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        command, preexec_fn=hand_over, close_fds=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_write[0])
    os.close(to_read[1])
    try:
        with os.fdopen(to_read[0], "rb") as answers, os.fdopen(to_write[1], "wb") as commands:
            yield Browser(answers, commands)  # closing the pipe ends it
    finally:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
