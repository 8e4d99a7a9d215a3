"""zava init: the starter model loads, and no file that exists is changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.run.session import load_project
from zava.main import app
from zava.starter.init import starter, write


def test_starter_model_loads_without_an_error(tmp_path: Path) -> None:
    done = write(tmp_path, starter())
    assert done.kept == ()
    project = load_project(tmp_path)
    assert {rule.family for rule in project.rules} > {"documents", "totals", "queries", "sync", "permissions"}


def test_env_sample_lists_every_setting_and_those_of_the_model(tmp_path: Path) -> None:
    write(tmp_path, starter())
    text = (tmp_path / ".env.sample").read_text(encoding="utf-8")
    names = {line.removeprefix("# ").partition("=")[0] for line in text.splitlines() if "=" in line and line.isascii()}
    assert {name.upper() for name in Settings.model_fields} | {"NUM_STATIONS"} <= names


def test_existing_files_are_not_changed(tmp_path: Path) -> None:
    own = {".env.sample": "A=1\n", ".github/workflows/conformance.yml": "name: ours\n", "config/rules.yaml": "{}\n"}
    for name, text in own.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = write(tmp_path, starter())
    assert set(done.kept) == set(own)
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in own} == own
    assert "config/queries.yaml" in done.written


def test_folder_with_schemas_keeps_its_model(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "films.json").write_text("{}", encoding="utf-8")
    done = write(tmp_path, starter())
    assert done.kept == ("schemas/films.json",)
    assert not (tmp_path / "config").exists()
    assert ".env.sample" in done.written


@pytest.mark.parametrize("before", [b"", b"*.log\r\n", b"*.log", b".env\n*.log\n"])
def test_missing_lines_are_added_to_gitignore_once(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / ".gitignore"
    path.write_bytes(before)
    assert ".gitignore" in write(tmp_path, {}).written
    after = path.read_bytes()
    assert after.startswith(before)
    lines = after.decode().splitlines()
    assert {".env", ".env.*", "!.env.sample", "/reports/"} <= set(lines)
    assert len(lines) == len(set(lines))
    assert ".gitignore" not in write(tmp_path, {}).written


def test_dangling_link_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".env.sample").symlink_to("elsewhere")
    assert ".env.sample" in write(tmp_path, {}).kept
    assert (tmp_path / ".env.sample").is_symlink()


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, starter())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert write(tmp_path, starter()).written == ()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_written_and_kept_files_are_listed(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["init", str(tmp_path), "--json"])
    assert done.exit_code == 0
    assert set(json.loads(done.stdout)["written"]) >= {*starter(), ".env.sample", ".gitignore"}


def test_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write(tmp_path / "file", starter())
