"""Settings: from flags, then the environment, then .env; each error is one line naming the variable."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from conformance.config.environment import Environment, read_environment
from conformance.errors import ConfigurationError
from conformance.files.input_errors import input_problem
from conformance.text.masking import mask

Size = Annotated[int, Field(ge=1, le=1_000_000_000)]
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: The form of a database name: MongoDB rejects others, some of them on Windows only.
DATABASE_NAME: Final = 'a name of 1 to 63 bytes without blanks and the characters / \\ . " $ * < > : | ?'
_DATABASE: Final = re.compile(r'[^/\\. "$*<>:|?\x00]+')
_SECRET: Final = re.compile(r"KEY|TOKEN|CONNECTION_STRING")


class Settings(BaseModel):
    """Every variable the harness reads. .env.sample lists the same; ``examples`` are its placeholders."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    _environment: Environment = PrivateAttr(default_factory=Environment)

    mongodb_connection_string: SecretStr | None = Field(
        None,
        examples=["mongodb+srv://username:password@cluster.mongodb.net/"],
        description="Connection string of the server to validate (Atlas or your own).",
    )
    mongodb_local_connection_string: SecretStr | None = Field(
        None, description="Connection string that is used if MONGODB_CONNECTION_STRING is not set."
    )
    mongodb_database: str = Field("zava", description="Name of the database.")
    mongodb_atlas_project_id: str | None = Field(
        None, examples=["your_project_id"], description="Atlas project id, for links into Atlas."
    )
    ditto_app_id: str | None = Field(
        None, examples=["your_ditto_app_id"], description="Id of the database (app) in the Ditto portal."
    )
    ditto_api_key: SecretStr | None = Field(
        None, examples=["your_ditto_api_key"], description="API key from the Ditto portal."
    )
    ditto_cloud_endpoint: str = Field("https://cloud.ditto.live", description="Address of Ditto's cloud.")
    ditto_license_token: SecretStr | None = Field(
        None,
        examples=["your_ditto_license_token"],
        description="Offline license token; only peer-to-peer sync needs it.",
    )
    azure_openai_endpoint: str | None = Field(
        None, examples=["https://your-resource.openai.azure.com/"], description="Azure OpenAI endpoint for embeddings."
    )
    azure_openai_api_key: SecretStr | None = Field(
        None, examples=["your_api_key"], description="Azure OpenAI key for embeddings."
    )
    azure_openai_embedding_deployment: str = Field(
        "text-embedding-3-small", description="Azure OpenAI deployment for embeddings."
    )
    azure_openai_api_version: str = Field("2024-02-01", description="Azure OpenAI API version.")
    num_customers: Size = Field(50_000, description="Number of customers to generate, and that the rules expect.")
    num_orders: Size = Field(200_000, description="Number of orders to generate, and that the rules expect.")
    start_date: dt.date = Field(dt.date(2020, 1, 1), description="First day of the orders, UTC.")
    end_date: dt.date = Field(dt.date(2026, 12, 31), description="Last day of the orders, inclusive, UTC.")
    seed: int = Field(
        20240115, ge=0, le=2**63 - 1, description="Seed of the generator; the same seed gives the same data."
    )
    batch_size: int = Field(1000, ge=1, le=100_000, description="Documents per insert.")
    rls_user_id: str | None = Field(
        None, examples=["your_store_rls_user_id"], description="zava mcp over stdio: id of the store's user who asks."
    )
    mcp_gateway_token: SecretStr | None = Field(
        None,
        examples=["your_gateway_token"],
        description="zava mcp over HTTP: token that a gateway must send so that its callers' ids are accepted.",
    )
    mcp_pool_size: int = Field(
        10, ge=1, le=1_000, description="zava mcp: maximum number of connections to the database."
    )
    mcp_wait_ms: int = Field(2_000, ge=1, le=600_000, description="zava mcp: milliseconds to wait for a connection.")
    mcp_max_time_ms: int = Field(
        10_000, ge=1, le=600_000, description="zava mcp: maximum duration of a query in milliseconds."
    )
    log_level: str = Field(
        "WARNING",
        pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$",
        description="Log level: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
    )

    @field_validator("mongodb_database")
    @classmethod
    def _taken_by_mongodb(cls, value: str) -> str:
        if not is_database_name(value):
            raise ValueError(f"not a valid database name; write {DATABASE_NAME}")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _by_its_standard_name(cls, value: Any) -> Any:
        # CI machines set it for all that they run, as each program has it: info, WARN, FATAL.
        level = logging.getLevelNamesMapping().get(str(value).upper())
        return value if level is None else logging.getLevelName(level)

    @field_validator("start_date", "end_date", mode="before")
    @classmethod
    def _written_as_a_day(cls, value: Any) -> Any:
        # Otherwise 20240115 would be taken for seconds since 1970.
        if isinstance(value, str) and not _DAY.fullmatch(value):
            raise ValueError("is not a day; write a date as YYYY-MM-DD")
        return value

    @field_validator("start_date", "end_date")
    @classmethod
    def _writable_year(cls, value: dt.date) -> dt.date:
        if not 3 <= value.year <= 9998:
            raise ValueError("is out of range; use a year between 0003 and 9998")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _neither_empty_nor_a_placeholder(cls, value: Any) -> Any:
        # It is defined after the others of mode "before", so that it runs before them.
        if isinstance(value, str) and not value.strip():
            raise ValueError("is empty; write a value, or remove the variable")
        if isinstance(value, str) and value in placeholders():
            raise ValueError("is the placeholder of .env.sample; write your own value, or remove the line")
        return value

    @model_validator(mode="after")
    def _dates_in_order(self) -> Settings:
        if self.start_date > self.end_date:
            raise ValueError(
                f"START_DATE {self.start_date} is after END_DATE {self.end_date}; set START_DATE to the earlier day"
            )
        return self

    @property
    def environment(self) -> Environment:
        """The variables that the settings were read from."""
        return self._environment

    @property
    def connection_string(self) -> str | None:
        """The server named by the settings, if any: MONGODB_CONNECTION_STRING, else the local one."""
        named = self.mongodb_connection_string or self.mongodb_local_connection_string
        return named.get_secret_value() if named else None

    def size(self, name: str, defaults: Mapping[str, int]) -> int:
        """Return the number of documents a setting such as NUM_ORDERS asks for.

        Flags give it, then the environment, then .env, then the model's ``defaults`` (config/generation.yaml), then the
        default here. A model may name settings that are no fields here; ConfigurationError when nothing gives one.
        """
        field = name.lower()
        if field in self.model_fields_set:
            return int(getattr(self, field))
        text = self.environment.get(name)
        if text is None and name in defaults:
            return defaults[name]
        if field in type(self).model_fields:
            return int(getattr(self, field))
        if text is None or not text.isascii() or not text.isdigit():
            raise ConfigurationError(
                f"{self.environment.where(name)}{name}: found {text!r}; set it to a whole number of documents, such as"
                f" {name}=1000"
            )
        return int(text)

    def constants(self) -> dict[str, str]:
        """Return what formulas may name: START_DATE and END_DATE as YYYY-MM-DD."""
        return {"START_DATE": self.start_date.isoformat(), "END_DATE": self.end_date.isoformat()}


def is_database_name(text: str) -> bool:
    """Return True for what MongoDB takes as a database's name wherever it runs."""
    return _DATABASE.fullmatch(text) is not None and len(text.encode("utf-8", "surrogatepass")) <= 63


def placeholders() -> Collection[str]:
    """Return the values of .env.sample that stand for one of the user's own."""
    return {str(example) for field in Settings.model_fields.values() for example in field.examples or ()}


def known_variables() -> set[str]:
    """Return the names of all settings, as they are written in the environment."""
    return {name.upper() for name in Settings.model_fields}


def load_settings(env_file: Path | None = None, **flags: Any) -> Settings:
    """Return the settings in force; ``flags`` that are not None win over the environment, and it over ``env_file``.

    Raises ConfigurationError, one line: where, the variable, what was found (secrets masked), what to write instead.
    """
    environment = read_environment(env_file, known_variables())
    problems = setting_problems(environment, flags)
    if problems:
        raise ConfigurationError(problems[0])
    return _settings(environment, flags)


def setting_problems(environment: Environment, flags: Mapping[str, Any] | None = None) -> list[str]:
    """Return one line for each setting that is wrong, not for the first only; empty when `load_settings` succeeds."""
    if environment.problems:
        return list(environment.problems)
    try:
        _settings(environment, flags or {})
    except ValidationError as error:
        return [_one_line(each, environment) for each in error.errors(include_url=False)]
    return []


def _settings(environment: Environment, flags: Mapping[str, Any]) -> Settings:
    read = {name: environment.get(name.upper()) for name in Settings.model_fields}
    given = {name: value for name, value in {**read, **_given(flags)}.items() if value is not None}
    settings = Settings(**given)
    settings._environment = environment
    return settings


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if value is not None}


def _one_line(first: Mapping[str, Any], environment: Environment) -> str:
    message = input_problem(first)
    if not first["loc"]:
        return message
    variable = str(first["loc"][0]).upper()
    place = f"{environment.where(variable)}{variable}"
    if message.startswith("is empty"):
        return f"{place}: {message}"
    found = "***" if _SECRET.search(variable) else mask(str(first["input"]))
    advice = _ADVICE.get(str(first["type"]), message) if variable not in _WORDS else _WORDS[variable]
    return (
        f"{place}: found {found!r}, which {message}"
        if message.startswith("is ")
        else f"{place}: found {found!r}; {advice}"
    )


_ADVICE: Final = {
    "int_parsing": "write a whole number, such as 1000",
    "greater_than_equal": "write a number of at least the allowed minimum (1; SEED from 0)",
    "less_than_equal": "write a smaller number",
    "date_from_datetime_parsing": "write a date as YYYY-MM-DD",
    "date_parsing": "write a date as YYYY-MM-DD",
}
_WORDS: Final = {
    "MONGODB_DATABASE": f"write {DATABASE_NAME}",
    "LOG_LEVEL": "write DEBUG, INFO, WARNING, ERROR or CRITICAL",
}
