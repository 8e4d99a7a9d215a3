"""The real program run against servers of the tests; a plugin of the files that use it.

PYTEST_DONT_REWRITE: the files import it before pytest could, which pytest would warn about.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer, cache_directory
from tests.conformance.embedded.processes import ROOT, Process, eventually, running
from zava.main import run

BIN = Path(sys.executable).parent
#: Small, and every statistical rule that can speak of so little is quiet.
SIZES = {"NUM_CUSTOMERS": "50", "NUM_ORDERS": "200"}
#: Variables of the caller's environment that a run may see: no settings, no CI.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
SECONDS = 120


@dataclass(frozen=True)
class Done:
    """A finished run."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """Return the one line of an error; fail if there is more, for example a traceback."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        assert self.out == ""
        return lines[0]


@dataclass(frozen=True)
class Workplace:
    """A folder with its own model and cache, in which commands are run."""

    root: Path
    cache: Path

    @property
    def directory(self) -> Path:
        """Return the data directory of this model's embedded server."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ZAVA_CACHE_DIR", str(self.cache))
            return cache_directory(self.root)

    def environment(self, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a run: the machine's, the cache, small sizes, and the ``changes``."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "ZAVA_CACHE_DIR": str(self.cache), "COLUMNS": "200", **SIZES, **(changes or {})}

    def start(self, *command: str, env: Mapping[str, str] | None = None, **options: Any) -> Process:
        """Start a program of this Python environment in the folder, with its output piped."""
        chosen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.root}
        arguments = [str(BIN / command[0]), *command[1:]]
        return subprocess.Popen(arguments, env=self.environment(env), text=True, **{**chosen, **options})

    def run(self, *command: str, env: Mapping[str, str] | None = None, **options: Any) -> Done:
        """Run a program to its end."""
        return finish(self.start(*command, env=env, **options))

    def zava(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", folder: Path | None = None
    ) -> Done:
        """Run the command line's entry point in this process, which is faster; ``stdin`` is the input."""
        return here(*arguments, env=self.environment(env), folder=folder or self.root, stdin=stdin)

    def suites(self, *arguments: str, **options: Any) -> Done:
        """Run the product's own suites with pytest."""
        return self.run("pytest", str(ROOT / "suites"), "--model", str(self.root), "-q", *arguments, **options)


def here(*arguments: str, env: Mapping[str, str], folder: Path, stdin: str = "") -> Done:
    """Run the command line's entry point in this process, with just these variables."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in list(os.environ):
            patch.delenv(name)
        for name, value in env.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["zava", *arguments])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            run()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Done(code, out.getvalue(), err.getvalue())


def finish(process: Process) -> Done:
    """Wait for a started program."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()  # the processes that it started have its pipes open, too
        out, err = process.communicate()
        pytest.fail(f"{process.args} did not end within {SECONDS} s: {err}")
    return Done(process.returncode, out, err)


def copy_of_the_model(folder: Path) -> Path:
    """Copy the shipped model into a folder that tests may change and write reports to."""
    for name in ("schemas", "config"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / ".env.sample", folder)
    return folder


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A model whose embedded server keeps running, so that commands need not start it; no process is left."""
    root = tmp_path_factory.mktemp("workplace")
    shared = Workplace(copy_of_the_model(root / "model"), root / "cache")
    with EmbeddedServer(shared.directory, cache_gb=0.25, linger=0.2):
        yield shared
    assert eventually(lambda: not running(shared.directory))


@pytest.fixture(scope="session")
def generated(workplace: Workplace) -> Done:
    """Generate the embedded server's database with the program; a run with --embedded may have done so before."""
    return workplace.zava("generate", "--embedded", "--drop", "--yes", "--json")


@pytest.fixture(scope="session")
def mongo(workplace: Workplace) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of the running server."""
    with EmbeddedServer(workplace.directory, cache_gb=0.25) as server, MongoClient(server.uri) as client:
        yield client


@pytest.fixture
def uri(workplace: Workplace) -> Iterator[str]:
    """The running server in the form of a URI."""
    with EmbeddedServer(workplace.directory, cache_gb=0.25) as server:
        yield server.uri


@pytest.fixture
def name(mongo: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """The name of a database for one test, which is dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:10]}"
    yield name
    mongo.drop_database(name)


@pytest.fixture
def copied(workplace: Workplace, generated: Done, mongo: MongoClient[dict[str, Any]], name: str, uri: str) -> str:
    """The name of a database with a separate dataset, generated on a named server."""
    assert generated.code == 0
    done = workplace.zava("generate", "--uri", uri, env={"MONGODB_DATABASE": name})
    assert done.code == 0, done.err
    return name


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Assert that no process that a test started is left at its end; a quick test may start none."""
    if request.node.get_closest_marker("quick"):
        yield
        return
    before = set(psutil.pids())
    yield
    kept = [] if eventually(lambda: not left(before), 15) else left(before)
    for process in kept:
        process.kill()
    assert not kept, kept


def left(before: set[int]) -> list[Any]:
    """Return the child processes of this one, except those of ``before`` and their children, such as a browser's.

    Only processes that are new are asked for their parents: to ask all takes 5 ms, for thousands of tests.
    """
    found = []
    for pid in set(psutil.pids()) - before:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            line = [each.pid for each in process.parents()]
            if os.getpid() not in line or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if before.isdisjoint(line[: line.index(os.getpid())]):
                found.append(process)
    return found


def state(client: MongoClient[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Return every database and collection with its number of documents, without the server's own."""
    return {
        database: {
            collection: client[database][collection].count_documents({})
            for collection in client[database].list_collection_names()
        }
        for database in client.list_database_names()
        if database not in ("admin", "config", "local")
    }
