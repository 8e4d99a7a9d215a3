"""Settings: an invalid one is one error line with variable and fix; precedence is flags, environment, .env."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest

from conformance.config.settings import Settings, load_settings
from conformance.errors import ConfigurationError
from tests.validation import ROOT

SECRETS = {name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove the project's variables from the environment, and change to a folder without a .env."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


WRONG: list[tuple[str, str, tuple[str, ...]]] = [
    ("NUM_ORDERS", "abc", ("'abc'", "whole number")),
    ("NUM_ORDERS", "1.5", ("'1.5'", "whole number")),
    ("NUM_ORDERS", "0", ("'0'", "at least")),
    ("NUM_ORDERS", "-1", ("'-1'", "at least")),
    ("NUM_ORDERS", "9999999999", ("'9999999999'", "smaller")),
    ("NUM_CUSTOMERS", "many", ("'many'", "whole number")),
    ("NUM_CUSTOMERS", "0", ("'0'", "at least")),
    ("START_DATE", "2024-02-30", ("'2024-02-30'", "YYYY-MM-DD")),
    ("START_DATE", "yesterday", ("'yesterday'", "YYYY-MM-DD")),
    ("END_DATE", "01/02/2024", ("'01/02/2024'", "YYYY-MM-DD")),
    ("END_DATE", "2024-01-01T12:00:00", ("'2024-01-01T12:00:00'", "YYYY-MM-DD")),
    ("START_DATE", "20240115", ("'20240115'", "YYYY-MM-DD")),
    ("START_DATE", "1704067200", ("YYYY-MM-DD",)),
    ("START_DATE", "0001-01-01", ("year",)),
    ("END_DATE", "9999-12-31", ("year",)),
    ("SEED", "x", ("'x'", "whole number")),
    ("SEED", "-1", ("'-1'", "SEED from 0")),
    ("SEED", str(2**63), (str(2**63), "smaller")),
    ("BATCH_SIZE", "0", ("'0'", "at least")),
    ("BATCH_SIZE", "100001", ("'100001'", "smaller")),
    ("LOG_LEVEL", "LOUD", ("'LOUD'", "DEBUG, INFO, WARNING, ERROR or CRITICAL")),
    ("LOG_LEVEL", "NOTSET", ("'NOTSET'", "DEBUG, INFO, WARNING, ERROR or CRITICAL")),
    ("LOG_LEVEL", "30", ("'30'", "DEBUG, INFO, WARNING, ERROR or CRITICAL")),
    ("MONGODB_DATABASE", "my db", ("'my db'", "characters")),
    ("MONGODB_DATABASE", "a/b", ("'a/b'", "characters")),
    ("MONGODB_DATABASE", "a.b", ("'a.b'", "characters")),
    ("MONGODB_DATABASE", "$a", ("'$a'", "characters")),
    ("MONGODB_DATABASE", "x" * 64, ("characters",)),
    ("MONGODB_DATABASE", "é" * 32, ("63 bytes",)),
    ("MONGODB_CONNECTION_STRING", "mongodb+srv://username:password@cluster.mongodb.net/", ("placeholder", "remove")),
    ("DITTO_APP_ID", "your_ditto_app_id", ("placeholder",)),
    ("DITTO_API_KEY", "your_ditto_api_key", ("placeholder",)),
    ("AZURE_OPENAI_ENDPOINT", "https://your-resource.openai.azure.com/", ("placeholder",)),
    ("AZURE_OPENAI_API_KEY", "your_api_key", ("placeholder",)),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "value", "words"), WRONG)
@pytest.mark.parametrize("source", ["environment", ".env"])
def test_invalid_value_is_one_error(
    variable: str, value: str, words: tuple[str, ...], source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The line has the variable, its value unless it is a secret, and the fix; the exit code is 2."""
    if source == "environment":
        monkeypatch.setenv(variable, value)
    else:
        (tmp_path / ".env").write_text(f"{variable}='{value}'\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path / ".env")
    line = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in line
    place = "" if source == "environment" else f"{tmp_path}/.env:1: "
    assert line.startswith(f"{place}{variable}: found ")
    for word in words:
        assert word in line
    if variable in SECRETS:
        assert "***" in line
        assert value not in line


def test_start_date_after_end_date_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names both; a period of one day is valid."""
    monkeypatch.setenv("START_DATE", "2024-03-02")
    monkeypatch.setenv("END_DATE", "2024-03-01")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "START_DATE 2024-03-02" in str(caught.value)
    assert "END_DATE 2024-03-01" in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("END_DATE", "2024-03-02")
    assert load_settings().start_date == load_settings().end_date


def test_flags_override_environment_file_and_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A flag of None counts as not given."""
    assert load_settings().num_orders == 200_000
    file = tmp_path / "model" / ".env"
    file.parent.mkdir()
    file.write_text("NUM_ORDERS=30\nSEED=5\n", encoding="utf-8")
    assert load_settings(file).num_orders == 30
    monkeypatch.setenv("NUM_ORDERS", "20")
    assert load_settings(file).num_orders == 20
    assert load_settings(file, num_orders=10, seed=None).num_orders == 10
    assert load_settings(file, num_orders=10, seed=None).seed == 5


@pytest.mark.parametrize(
    ("written", "level"),
    [
        ("debug", "DEBUG"),
        ("info", "INFO"),
        ("Info", "INFO"),
        ("WARN", "WARNING"),
        ("warning", "WARNING"),
        ("error", "ERROR"),
        ("CRITICAL", "CRITICAL"),
        ("fatal", "CRITICAL"),
    ],
)
def test_log_level_accepts_standard_names(written: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI systems set the variable for everything that they run."""
    monkeypatch.setenv("LOG_LEVEL", written)
    assert load_settings().log_level == level


@pytest.mark.parametrize("name", ["z", "x" * 63, "é" * 31, "Zava-2_ü"])
def test_database_name_is_accepted(name: str) -> None:
    assert load_settings(mongodb_database=name).mongodb_database == name


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
def test_empty_value_of_any_setting_is_an_error(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A CI system passes an absent secret as an empty variable; that must not mean the default server."""
    message = f"{name}: is empty; write a value, or remove the variable"
    (tmp_path / ".env").write_text(f"{name}='{value}'\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"^{re.escape(f'{tmp_path}/.env:1: {message}')}$"):
        load_settings(tmp_path / ".env")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DITTO_API_KEY", "at_your_service"),
        ("DITTO_APP_ID", "your_ditto_app_id_2"),
        ("AZURE_OPENAI_ENDPOINT", "https://your-store.openai.azure.com/"),
        ("MONGODB_CONNECTION_STRING", "mongodb+srv://username:password@c.mongodb.net/"),
        ("MONGODB_LOCAL_CONNECTION_STRING", "mongodb://localhost:27017/"),
        ("MONGODB_DATABASE", "your_shop"),
    ],
)
def test_value_that_only_resembles_a_placeholder_is_accepted(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    found: Any = getattr(load_settings(), name.lower())
    assert getattr(found, "get_secret_value", lambda: found)() == value


def test_other_env_file_is_read(tmp_path: Path) -> None:
    """A file with a byte that is not UTF-8 is one error line."""
    other = tmp_path / "other.env"
    other.write_text("SEED=9\n", encoding="utf-8")
    assert load_settings(other).seed == 9
    other.write_bytes(b"SEED=\xff\n")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_settings(other)


def test_first_server_variable_takes_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is MONGODB_CONNECTION_STRING, the local one, none."""
    assert load_settings().connection_string is None
    monkeypatch.setenv("MONGODB_LOCAL_CONNECTION_STRING", "mongodb://localhost:27017")
    assert load_settings().connection_string == "mongodb://localhost:27017"
    monkeypatch.setenv("MONGODB_CONNECTION_STRING", "mongodb://a:b@db.example:27017")
    assert load_settings().connection_string == "mongodb://a:b@db.example:27017"


def test_secrets_are_not_in_repr_or_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the repr and the dumps are masked."""
    assert len(SECRETS) >= 5
    for name in SECRETS:
        monkeypatch.setenv(name, "hunter2-of-" + name)
    settings = load_settings()
    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "hunter2" not in text


def test_sizes_that_are_not_fields_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another model has its own sizes: from the environment, then .env, then the defaults of its generation.yaml."""
    settings = load_settings()
    assert settings.size("NUM_READINGS", {"NUM_READINGS": 7}) == 7
    file = tmp_path / "model.env"
    file.write_text("NUM_READINGS=8\n", encoding="utf-8")
    assert load_settings(file).size("NUM_READINGS", {"NUM_READINGS": 7}) == 8
    monkeypatch.setenv("NUM_READINGS", "9")
    assert load_settings(file).size("NUM_READINGS", {}) == 9
    for wrong in ("many", "-3", "1.5", "²", ""):
        monkeypatch.setenv("NUM_READINGS", wrong)
        with pytest.raises(ConfigurationError, match="NUM_READINGS: found"):
            load_settings(file).size("NUM_READINGS", {})
    with pytest.raises(ConfigurationError, match="NUM_SENSORS: found None; set it"):
        settings.size("NUM_SENSORS", {})


def test_default_of_a_model_replaces_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().size("NUM_ORDERS", {"NUM_ORDERS": 7}) == 7
    assert load_settings().size("NUM_ORDERS", {}) == 200_000
    assert load_settings(num_orders=8).size("NUM_ORDERS", {"NUM_ORDERS": 7}) == 8
    monkeypatch.setenv("NUM_ORDERS", "9")
    assert load_settings().size("NUM_ORDERS", {"NUM_ORDERS": 7}) == 9


def test_size_is_changed_in_a_copy_of_the_settings() -> None:
    small = load_settings().model_copy(update={"num_orders": 3, "num_readings": 4})
    assert small.size("NUM_ORDERS", {"NUM_ORDERS": 7}) == 3
    assert small.size("NUM_READINGS", {"NUM_READINGS": 7}) == 4


def sample_lines() -> list[tuple[str, str, str, bool]]:
    """Yield per line of .env.sample: section and comment, variable, value, and whether it is commented out."""
    found, section, comment = [], "", ""
    for line in (ROOT / ".env.sample").read_text(encoding="utf-8").splitlines():
        assignment = re.fullmatch(r"(# )?([A-Z_]+)=(.*)", line)
        if assignment:
            found.append((f"{section} {comment}", assignment[2], assignment[3], bool(assignment[1])))
        section = line.strip("#- ") if line.startswith("# ----") else section
        comment = line.removeprefix("# ") if line.startswith("# ") and not assignment else ""
    return found


def test_env_sample_lists_every_setting_with_description_and_default() -> None:
    """.env.sample equals the settings class, in its order, with a placeholder where there is no default."""
    fields = Settings.model_fields
    assert [name for _, name, _, _ in sample_lines()] == [name.upper() for name in fields]
    for comment, name, value, commented in sample_lines():
        field = fields[name.lower()]
        assert str(field.description).rstrip(".").lower() in comment.lower(), name
        if field.default is None:
            assert commented or name == "MONGODB_CONNECTION_STRING"
        else:
            assert not commented
            assert value == (field.default.isoformat() if isinstance(field.default, dt.date) else str(field.default))


def test_unedited_env_sample_is_recognised(tmp_path: Path) -> None:
    """An unedited copy does not pass as a tested database; without that line every value is the default."""
    text = (ROOT / ".env.sample").read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    with pytest.raises(
        ConfigurationError, match=r"\.env:10: MONGODB_CONNECTION_STRING: found '\*\*\*', which is the placeholder"
    ):
        load_settings(tmp_path / ".env")
    (tmp_path / ".env").write_text(re.sub(r"(?m)^MONGODB_CONNECTION_STRING=.*$", "", text), encoding="utf-8")
    assert load_settings(tmp_path / ".env") == load_settings(tmp_path / "none.env")


@pytest.mark.parametrize(
    "name", [name for _, name, value, commented in sample_lines() if commented and "your" in value]
)
def test_every_placeholder_of_env_sample_is_recognised(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines are uncommented and otherwise unedited."""
    value = next(value for _, variable, value, _ in sample_lines() if variable == name)
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="placeholder"):
        load_settings()


def test_settings_are_frozen_with_documented_defaults() -> None:
    """The defaults are those of the documentation."""
    settings: Any = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 3
    assert (settings.num_customers, settings.num_orders, settings.mongodb_database) == (50_000, 200_000, "zava")
    assert (settings.start_date, settings.end_date) == (dt.date(2020, 1, 1), dt.date(2026, 12, 31))
    assert settings.constants() == {"START_DATE": "2020-01-01", "END_DATE": "2026-12-31"}
