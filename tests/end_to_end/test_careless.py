"""User errors in folders and settings: none passes on generated data, none prints a traceback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from conformance.config.settings import load_settings
from conformance.server.target import choose
from tests.commands import Workplace
from tests.end_to_end.no_server import NOWHERE, REQUIRED, assert_rejected, every_command, place, quick

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["place", "quick"]


#: The commands that use a server; those that read files first have none to read here.
OF_A_SERVER = [
    path
    for path, command in every_command()
    if {"--uri", "--embedded"} <= {option for each in command.params for option in each.opts}
    and path[0] not in ("import", "import-source")
]


def command_line(path: Sequence[str]) -> list[str]:
    return [*path, *REQUIRED.get(path[0], ())]


# Folders: the .env beside the model is read from everywhere, by every command


@pytest.mark.parametrize("path", OF_A_SERVER, ids=" ".join)
def test_every_command_uses_the_server_of_the_model_from_another_folder(place: Workplace, path: list[str]) -> None:
    (place.root / ".env").write_text(f"MONGODB_CONNECTION_STRING={NOWHERE}\n", encoding="utf-8")
    done = place.zava("--model", str(place.root), *command_line(path), folder=place.root.parent / "elsewhere")
    assert done.code == 3, done.out + done.err
    assert "no server answers at mongodb://127.0.0.1:1/" in done.out + done.err


@pytest.mark.parametrize("folder", [".", "schemas", "config", "docs", "suites"])
def test_validate_uses_the_server_of_the_model_from_every_folder_below(place: Workplace, folder: str) -> None:
    (place.root / ".env").write_text(f"export MONGODB_CONNECTION_STRING='{NOWHERE}'\r\n", encoding="utf-8")
    assert_rejected(
        place.zava("validate", folder=place.root / folder), 3, "no server answers at mongodb://127.0.0.1:1/"
    )


@pytest.mark.parametrize("path", OF_A_SERVER, ids=" ".join)
def test_command_beside_an_env_file_does_not_use_the_embedded_server(place: Workplace, path: list[str]) -> None:
    (place.root / ".env").write_text("MONGODB_DATABASE=zava\n", encoding="utf-8")
    done = place.zava(*command_line(path), folder=place.root / "docs")
    assert done.code == 2, done.out + done.err
    assert "no server is named: set MONGODB_CONNECTION_STRING in it, or pass --embedded" in done.out + done.err


#: Mistakes: the .env beside the model, the .env in the current folder elsewhere, the environment, and the expected
#: message.
MISTAKES: Mapping[str, tuple[str | bytes | None, str | None, Mapping[str, str], str]] = {
    "misspelt in the file": (f"MONGODB_CONNECTION_STRINGS={NOWHERE}", None, {}, "/.env:1: MONGODB_CONNECTION_STRINGS"),
    "misspelt in the environment": (None, None, {"MONGODB_CONNECTION_STRINGS": NOWHERE}, "did you mean MONGODB_CONN"),
    "unclosed quote": (f"SEED=1\nMONGODB_CONNECTION_STRING='{NOWHERE}", None, {}, "/.env:2: not an assignment"),
    "colon": (f"MONGODB_CONNECTION_STRING: {NOWHERE}", None, {}, "/.env:1: not an assignment"),
    "empty in the file": ("MONGODB_CONNECTION_STRING=", None, {}, "/.env:1: MONGODB_CONNECTION_STRING: is empty"),
    "empty in the environment": (None, None, {"MONGODB_CONNECTION_STRING": ""}, "MONGODB_CONNECTION_STRING: is empty"),
    "empty file": ("", None, {}, "no server is named"),
    "only a comment": (f"# MONGODB_CONNECTION_STRING={NOWHERE}", None, {}, "no server is named"),
    "UTF-16": (f"MONGODB_CONNECTION_STRING={NOWHERE}".encode("utf-16"), None, {}, "/.env: not UTF-8"),
    "another name": (None, None, {"MONGODB_URI": NOWHERE}, "MONGODB_URI holds a connection string"),
    "another name in the file": (f"DATABASE_URL={NOWHERE}", None, {}, "/.env:1: DATABASE_URL holds a connection"),
    "in the wrong folder": (None, f"MONGODB_CONNECTION_STRING={NOWHERE}", {}, "elsewhere/.env is not read"),
    "CI": (None, None, {"CI": "true"}, "CI is set and no server is named"),
}


@pytest.mark.parametrize("command", ["validate", "conform", "doctor"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_settings_error_never_exits_0(place: Workplace, mistake: str, command: str) -> None:
    beside, current, env, message = MISTAKES[mistake]
    elsewhere = place.root.parent / "elsewhere"
    for folder, content in ((place.root, beside), (elsewhere, current)):
        if content is not None:
            (folder / ".env").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = place.zava("--model", str(place.root), command, folder=elsewhere, env=env)
    (elsewhere / ".env").unlink(missing_ok=True)
    assert done.code == 2, done.out + done.err
    assert message in done.out + done.err
    if command != "doctor":
        assert_rejected(done, 2, message)


#: Names of files beside the model that were meant to be its .env.
LIKE_ENV = [".env.local", ".env.txt", "env", ".env.", ".ENV", "env.txt", "_env", ".env~", ".env.production", ".env (1)"]


@pytest.mark.parametrize("command", ["validate", "conform", "doctor"])
@pytest.mark.parametrize("file", [*LIKE_ENV, ".evn", "prod.env", ".envrc"])
def test_misnamed_env_file_beside_the_model_is_rejected(place: Workplace, file: str, command: str) -> None:
    path = place.root / file
    path.write_text(f"export MONGODB_CONNECTION_STRING={NOWHERE}\n", encoding="utf-8")
    done = place.zava(command)
    path.unlink()
    message = f"{path} is not read: settings come from {place.root}/.env; rename it to .env, or pass --embedded"
    assert (done.code, message in done.out + done.err) == (2, True), done.out + done.err
    if command != "doctor":
        assert_rejected(done, 2, message)


@pytest.mark.parametrize(
    "file", [".env.sample", ".env.example", "env.example", ".env.template", "environment.yml", "env.py", "docker.env"]
)
def test_unrelated_file_is_not_taken_for_env(place: Workplace, tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("POSTGRES_USER=shop\n", encoding="utf-8")
    assert choose(load_settings(tmp_path / ".env")).embedded


def test_folder_named_env_is_ignored(tmp_path: Path) -> None:
    for folder in ("env", "venv", ".env.d"):
        (tmp_path / folder).mkdir()
    assert choose(load_settings(tmp_path / ".env")).embedded


def test_embedded_is_accepted_beside_a_misnamed_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env.local").write_text(f"MONGODB_CONNECTION_STRING={NOWHERE}\n", encoding="utf-8")
    assert choose(load_settings(tmp_path / ".env"), embedded=True).embedded
