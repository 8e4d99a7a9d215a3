"""The `.env` beside the model and the process environment: a mistake is an error with file and line, never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.config.env_file import EnvFile
from conformance.config.environment import read_environment
from conformance.config.settings import Settings, known_variables, load_settings
from conformance.errors import ConfigurationError
from conformance.server.target import choose

KNOWN = known_variables()
URI = "mongodb://db.example:27017/"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove every setting from the environment, and change to a folder without a .env."""
    for name in [*Settings.model_fields, "ci", "zava_cache_dir"]:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


def written(folder: Path, content: str | bytes) -> Path:
    """Write a .env with the content and return its path."""
    path = folder / ".env"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


#: Content of the file and the value that MONGODB_CONNECTION_STRING then has.
READ = {
    "plain": f"MONGODB_CONNECTION_STRING={URI}\n",
    "export": f"export MONGODB_CONNECTION_STRING={URI}",
    "CRLF": f"SEED=1\r\nMONGODB_CONNECTION_STRING={URI}\r\nNUM_ORDERS=2\r\n",
    "byte order mark": b"\xef\xbb\xbf" + f"MONGODB_CONNECTION_STRING={URI}\n".encode(),
    "double quotes": f'MONGODB_CONNECTION_STRING="{URI}" # the server\n',
    "single quotes": f"  MONGODB_CONNECTION_STRING = '{URI}'\n",
    "lower case": f"mongodb_connection_string={URI}\n",
    "reference": f"SHOP_HOST=db.example\nMONGODB_CONNECTION_STRING={URI.replace('db.example', '${SHOP_HOST}')}\n",
    "default": f"MONGODB_CONNECTION_STRING={URI.replace('db.example', '${SHOP_HOST:-db.example}')}\n",
    "comments": f"# MONGODB_CONNECTION_STRING=\n\n\n# a\nMONGODB_CONNECTION_STRING={URI}\n# b",
    "other programs' variables": f"MONGO_INITDB_DATABASE=x\nSHOP=\nKEY='a\nb'\nMONGODB_CONNECTION_STRING={URI}",
}


@pytest.mark.parametrize("form", READ)
def test_value_in_every_syntax_is_read(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, READ[form])
    assert load_settings(path).connection_string == URI
    assert load_settings(path).environment.misspelt(KNOWN) == []


#: Content of the file, and the problem with its line.
WRONG = {
    "unclosed quote": (f"SEED=1\nMONGODB_CONNECTION_STRING='{URI}\nNUM_ORDERS=2\n", "2: not an assignment"),
    "quote closed later": (f"MONGODB_CONNECTION_STRING='{URI}\nMONGODB_DATABASE='", "1: the value of"),
    "quote of another": ("SHOP='a\nMONGODB_DATABASE=zava\nB='\n", "1: the value of SHOP extends over several lines"),
    "colon": (f"\n\nMONGODB_CONNECTION_STRING: {URI}", "3: not an assignment"),
    "space": (f"MONGODB_CONNECTION_STRING {URI}", "1: not an assignment"),
    "no equals sign": ("\n\n  NUM_ORDERS\n", "3: NUM_ORDERS has no value"),
    "set": ("set NUM_ORDERS=2\n", "1: not an assignment"),
    "PowerShell": ("$env:NUM_ORDERS = 2\n", "1: '$env:NUM_ORDERS' is not a variable name"),
    "twice": ("NUM_ORDERS=2\r\nSEED=1\r\nNUM_ORDERS=3\r\n", "3: NUM_ORDERS is already set in line 1"),
    "twice in two cases": ("NUM_ORDERS=2\nnum_orders=2\n", "2: NUM_ORDERS is already set in line 1"),
    "unset reference": ("MONGODB_CONNECTION_STRING=mongodb://${SHOP_HOST}/", "1: MONGODB_CONNECTION_STRING refers to"),
    "control characters": ("NUM\x00_ORDERS=1", "1: 'NUM\\x00_ORDERS' is not a variable name"),
    "not UTF-8": (b"SEED=\xff\n", ".env: not UTF-8; save the file as UTF-8"),
    "UTF-16": ("SEED=1\n".encode("utf-16"), ".env: not UTF-8; save the file as UTF-8"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_line_that_cannot_be_parsed_is_an_error_with_its_line(mistake: str, tmp_path: Path) -> None:
    content, problem = WRONG[mistake]
    path = written(tmp_path, content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}:" if problem[0] != "." else str(tmp_path))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "db.example" not in str(caught.value)


def test_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    """A container runtime creates a folder in place of a missing file that is to be mounted."""
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigurationError, match=r"\.env: cannot be read: Is a directory"):
        load_settings(tmp_path / ".env")


def test_dangling_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "nosuch")
    with pytest.raises(ConfigurationError, match=r"\.env: cannot be read: No such file"):
        load_settings(tmp_path / ".env")


def test_unreadable_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "SEED=1\n")
    denied = PermissionError(13, "Permission denied")

    def refuse(*_: object, **__: object) -> str:
        raise denied

    monkeypatch.setattr(Path, "read_text", refuse)
    assert EnvFile(path).problems == [
        f"{path}: cannot be read: Permission denied; make it a readable file, or remove it"
    ]


MISSPELT = {
    "MONGODB_CONNECTION_STRINGS": "MONGODB_CONNECTION_STRING",
    "MONGO_CONNECTION_STRING": "MONGODB_CONNECTION_STRING",
    "MONGODB_CONNECTIONSTRING": "MONGODB_CONNECTION_STRING",
    "MONGODB_CONECTION_STRING": "MONGODB_CONNECTION_STRING",
    "MONGODB_DATABSE": "MONGODB_DATABASE",
    "MONGODBDATABASE": "MONGODB_DATABASE",
    "NUM_ORDER": "NUM_ORDERS",
    "NUM_COSTUMERS": "NUM_CUSTOMERS",
    "STARTDATE": "START_DATE",
    "DITTO_API_KEYS": "DITTO_API_KEY",
}
#: Noticed in the file only: in the environment such a name is likely another program's.
MISSPELT_IN_FILE = {
    "SEEDS": "SEED",
    "LOGLEVEL": "LOG_LEVEL",
    "MONGODB_CONNECTION_STRING_PROD": "MONGODB_CONNECTION_STRING",
    "SHOP_MONGODB_DATABASE": "MONGODB_DATABASE",
}


@pytest.mark.parametrize(("name", "meant"), [*MISSPELT.items(), *MISSPELT_IN_FILE.items()])
def test_misspelt_variable_in_the_file_is_an_error_with_its_line(name: str, meant: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"# settings\n{name}=1\n")
    message = f"{path}:2: {name} is not a setting; did you mean {meant}? Correct the name, or remove it"
    assert read_environment(path, KNOWN).misspelt(KNOWN) == [message]


@pytest.mark.parametrize(("name", "meant"), MISSPELT.items())
def test_misspelt_variable_in_the_environment_is_an_error(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    message = f"{name} is not a setting; did you mean {meant}? Correct the name, or remove it"
    assert read_environment(None, KNOWN).misspelt(KNOWN) == [message]


@pytest.mark.parametrize(
    "name",
    [*MISSPELT_IN_FILE, "MONGODB_VERSION", "MONGODB_URI", "MONGO_INITDB_DATABASE", "DITTO_WEBSOCKET_URL",
     "NUM_THREADS",      "AZURE_OPENAI_API_TYPE", "AZURE_OPENAI_API_BASE", "PATH", "SPEED", "DATABASE", "LOG_FORMAT",
     "AZURE_OPENAI_KEY", "NUMBER_OF_PROCESSORS"],
)  # fmt: skip
def test_variable_of_another_program_is_not_a_misspelling(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert read_environment(None, KNOWN).misspelt(KNOWN) == []


def test_second_server_variable_is_accepted(tmp_path: Path) -> None:
    path = written(tmp_path, f"MONGODB_CONNECTION_STRING={URI}\nMONGODB_CONNECTION_STRING_PROD={URI}\n")
    assert read_environment(path, KNOWN).misspelt(KNOWN) == []


def test_setting_in_two_cases_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUM_ORDERS", "1")
    monkeypatch.setenv("num_orders", "1")
    assert load_settings().num_orders == 1
    monkeypatch.setenv("num_orders", "2")
    with pytest.raises(ConfigurationError, match="NUM_ORDERS: set twice in the environment, as num_orders too"):
        load_settings()


# Choice of the server


def test_embedded_server_is_the_default_without_any_setting(tmp_path: Path) -> None:
    assert choose(load_settings(tmp_path / ".env"), validating=True).embedded


def test_env_file_without_a_server_is_an_error(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "MONGODB_DATABASE=zava\n"))
    with pytest.raises(ConfigurationError, match=r"\.env: no server is named: set MONGODB_CONNECTION_STRING in it, or"):
        choose(settings)
    assert choose(settings, embedded=True).embedded
    assert choose(settings, uri=URI).uri == URI


@pytest.mark.parametrize("below", [".", "notes/of"])
def test_unread_env_file_in_the_current_folder_is_reported(
    below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "elsewhere"
    other = written(here, f"MONGODB_CONNECTION_STRING={URI}\n")
    (here / below).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(here / below)
    settings = load_settings(tmp_path / "model" / ".env")
    assert settings.environment.unread == other
    with pytest.raises(ConfigurationError, match=f"^{other} is not read, since the model is in {tmp_path}/model: move"):
        choose(settings)
    assert choose(settings, embedded=True).embedded


def test_env_file_of_another_program_is_not_reported(tmp_path: Path) -> None:
    written(tmp_path / "elsewhere", "PORT=80\nSECRET='a'\nLOG_LEVEL=info\n")
    settings = load_settings(tmp_path / "model" / ".env")
    assert settings.environment.unread is None
    assert choose(settings).embedded


def test_model_reached_by_a_link_uses_the_same_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    written(tmp_path / "model", f"MONGODB_CONNECTION_STRING={URI}\n")
    (tmp_path / "link").symlink_to(tmp_path / "model")
    monkeypatch.chdir(tmp_path / "link")
    assert load_settings(tmp_path / "model" / ".env").environment.unread is None


@pytest.mark.parametrize("name", ["MONGODB_URI", "MONGO_URL", "DATABASE_URL", "SHOP_MONGODB_CONNECTION_STRING"])
def test_connection_string_in_a_misnamed_variable_is_reported(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, URI)
    settings = load_settings(tmp_path / ".env")
    with pytest.raises(ConfigurationError, match=f"^{name} holds a connection string, and it is not a"):
        choose(settings)
    assert choose(settings, embedded=True).embedded
    monkeypatch.setenv("MONGODB_CONNECTION_STRING", "mongodb://other.example/")
    assert choose(load_settings(tmp_path / ".env")).uri == "mongodb://other.example/"


@pytest.mark.parametrize(("value", "refused"), [("true", True), ("1", True), ("woodpecker", True), ("false", False),
                                                ("0", False), ("False", False),
                                                ("no", False), ("", False)])  # fmt: skip
def test_ci_needs_a_server(value: str, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", value)
    if refused:
        with pytest.raises(ConfigurationError, match=r"^CI is set and no server is named"):
            choose(load_settings(), validating=True)
    else:
        assert choose(load_settings(), validating=True).embedded
    assert choose(load_settings()).embedded


@pytest.mark.parametrize("uri", ["", "  "])
def test_empty_uri_is_an_error(uri: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--uri: is empty"):
        choose(load_settings(), uri=uri)
