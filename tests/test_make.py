"""The environment that `make` gives to what it runs."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.root import ROOT


@pytest.mark.skipif(shutil.which("make") is None, reason="make is missing")
def test_programs_under_make_save_their_bytecode() -> None:
    shown = subprocess.run(
        ["make", "--silent", "--eval", "probe: ; @env", "probe"],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PATH=" in shown.stdout
    assert "PYTHONDONTWRITEBYTECODE" not in shown.stdout
