"""The connector's configuration, config/ditto_connector_config.yaml, parsed strictly.

Parsing refuses what cannot be read: unknown and repeated keys, wrong types, a mapping without its fields. Whether the
values agree with the model, and are sane, is for the rules of family `sync` to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator

from conformance.config.settings import DATABASE_NAME, Settings, is_database_name
from conformance.errors import FileError, Location
from conformance.files.strict_files import Exact, located, parse_file
from conformance.model.collection import Collection, IdMapping, Model
from conformance.text.rendering import shorten

#: The collections of the synced database in which the managed connector keeps its position and unsynced documents.
SESSIONS_COLLECTION: Final = "__ditto_connector_sessions"
UNSYNCED_COLLECTION: Final = "__ditto_unsynced_documents"
#: The file's name below config/.
CONNECTOR_FILE: Final = "ditto_connector_config.yaml"
#: Kinds that Ditto accepts as (a part of) an _id: no floats, null, arrays or objects (02-data-model).
_ID_KINDS: Final = frozenset({"objectid", "uuid", "timestamp", "enum", "string", "integer", "boolean"})
#: The place of the setting for copying existing documents.
INITIAL_SYNC: Final = "settings.initial_sync"
_COPIED: Final = "true, or devices never receive the existing documents"
#: A value that stands elsewhere, by the name of its setting or environment variable.
PLACEHOLDER: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


class MatchIds(Exact):
    """Ditto's _id is MongoDB's."""

    mode: Literal["match_ids"]

    def as_mapping(self) -> IdMapping:
        """Return the mapping in the model's terms."""
        return IdMapping(self.mode, ())


class SingleField(Exact):
    """Ditto's _id is the value of one field."""

    mode: Literal["single_field"]
    field: str

    def as_mapping(self) -> IdMapping:
        """Return the mapping in the model's terms."""
        return IdMapping(self.mode, (self.field,))


class MultipleFields(Exact):
    """Ditto's _id is an object of several fields."""

    mode: Literal["multiple_fields"]
    fields: Annotated[tuple[str, ...], Field(min_length=2, strict=False)]

    def as_mapping(self) -> IdMapping:
        """Return the mapping in the model's terms."""
        return IdMapping(self.mode, self.fields)


class Entry(Exact):
    """The connector's settings for one collection; ``id_mapping`` has no effect if it is not synced.

    ``initial_sync`` and ``strict_mode`` None: as the whole file's settings say.
    """

    name: str
    sync_enabled: bool
    id_mapping: Annotated[MatchIds | SingleField | MultipleFields, Field(discriminator="mode")] | None = None
    initial_sync: bool | None = None
    strict_mode: bool | None = None
    mode: Literal["native", "ejson"] = "native"

    @model_validator(mode="after")
    def _ejson_is_not_strict(self) -> Self:
        if self.mode == "ejson" and self.strict_mode:
            raise ValueError("mode ejson switches strict mode off, but strict_mode is true; remove one of the two")
        return self


class MongoSource(Exact):
    """The MongoDB database of the connector."""

    connection_string: str
    database: str


class DittoTarget(Exact):
    """The Ditto app of the connector."""

    app_id: str
    api_key: str
    endpoint: str


class RetryStrategy(Exact):
    """The retries of the connector after a failure.

    A batch is tried ``max_retries`` times again, each wait ``backoff_multiplier`` times the last. Every wait is
    lengthened by a random share of itself, at most ``jitter``, so that many peers do not come back all at once.
    """

    max_retries: int
    backoff_multiplier: float
    jitter: float


class ConnectorSettings(Exact):
    """The general settings of the connector.

    ``rate_limit_per_second`` is in documents, 0 for no limit. ``strict_mode`` None is "not said", which the rules do
    not accept.
    """

    initial_sync: bool
    strict_mode: bool | None = None
    rate_limit_per_second: int
    batch_size: int
    retry_strategy: RetryStrategy


class ConnectorConfig(Exact):
    """The whole file."""

    connector_version: float
    mongodb: MongoSource
    ditto: DittoTarget
    collections: Annotated[tuple[Entry, ...], Field(strict=False)]
    settings: ConnectorSettings

    @property
    def mappings(self) -> Mapping[str, IdMapping]:
        """Return how the _id of each synced collection is made, by the collection's name; others are not in it."""
        synced = (entry for entry in self.collections if entry.sync_enabled)
        return {entry.name: entry.id_mapping.as_mapping() for entry in synced if entry.id_mapping is not None}

    def copies_existing(self, entry: Entry) -> bool:
        """Return whether the existing documents of a collection are copied: by its own setting, or that of all."""
        return self.settings.initial_sync if entry.initial_sync is None else entry.initial_sync


def load_connector(model: Model) -> ConnectorConfig:
    """Return the model's connector configuration.

    Raises ConfigurationError, one line with file, place and fix, when the file is missing or not as described.
    """
    config: ConnectorConfig = parse_file(ConnectorConfig, model.config(CONNECTOR_FILE))
    return config


@dataclass(frozen=True)
class Demand:
    """The requirement for one value of the file: its ``place``, whether it is ``met``, and the ``wanted`` value."""

    place: str
    value: object
    met: bool
    wanted: str


def demands(config: ConnectorConfig) -> Sequence[Demand]:
    """Return what is asked of each value that its type leaves open."""
    given, retry = config.settings, config.settings.retry_strategy
    factor, endpoint, database = retry.backoff_multiplier, config.ditto.endpoint, config.mongodb.database
    copied = given.initial_sync or all(each.initial_sync for each in config.collections if each.sync_enabled)
    safe = re.fullmatch(r"https://[^\s/@]+(/\S*)?", endpoint) or PLACEHOLDER.fullmatch(endpoint)
    rows: Sequence[tuple[str, object, bool, str]] = (
        ("connector_version", config.connector_version, 1 <= config.connector_version < 2, "1.0"),
        ("mongodb.database", database, is_database_name(PLACEHOLDER.sub("x", database)), DATABASE_NAME),
        ("ditto.endpoint", endpoint, bool(safe), "an https:// address"),
        (INITIAL_SYNC, given.initial_sync, copied, _COPIED),
        ("settings.strict_mode", given.strict_mode, given.strict_mode is not None, "true or false"),
        ("settings.rate_limit_per_second", given.rate_limit_per_second, given.rate_limit_per_second >= 0, "0 or more"),
        ("settings.batch_size", given.batch_size, 1 <= given.batch_size <= 10_000, "from 1 to 10,000"),
        ("settings.retry_strategy.max_retries", retry.max_retries, 0 <= retry.max_retries <= 100, "from 0 to 100"),
        ("settings.retry_strategy.backoff_multiplier", factor, 1 <= factor < math.inf, "1 or more"),
        ("settings.retry_strategy.jitter", retry.jitter, 0 <= retry.jitter <= 1, "a number from 0 to 1"),
        *(
            (f"collections[{position}].initial_sync", False, False, _COPIED)
            for position, entry in enumerate(config.collections)
            if entry.sync_enabled and entry.initial_sync is False
        ),
    )
    return [Demand(*row) for row in rows]


def require_workable(model: Model, config: ConnectorConfig) -> None:
    """Raise ConfigurationError, one line with file, line and fix, where nobody could sync by the configuration.

    That is less than the rules of family `sync` find: whoever wants no initial copy may do without.
    """
    path = model.config(CONNECTOR_FILE)
    for place, why in _unworkable(model, config):
        raise FileError(located(path, place), why, ".".join(map(str, place)))


def _unworkable(model: Model, config: ConnectorConfig) -> Iterator[tuple[Sequence[str | int], str]]:
    for demand in demands(config):
        if not demand.met and demand.wanted != _COPIED:
            yield demand.place.split("."), f"found {shown(demand.value)}; expected {demand.wanted}"
    met = set()
    for position, entry in enumerate(config.collections):
        place = ("collections", position)
        if entry.name in met:
            yield place, f"{entry.name} has two entries; remove one"
        met.add(entry.name)
        if not entry.sync_enabled:
            continue
        if entry.name not in model.collections:
            yield (*place, "name"), f"the model has no {entry.name!r}; correct the name, or remove the entry"
        elif entry.id_mapping is None:
            yield place, f"{entry.name} is enabled but has no id_mapping; add one"
        elif fields := entry.id_mapping.as_mapping().fields:
            for why in unfit_for_ids(model[entry.name], fields):
                fix = "map top-level fields that are required, immutable and unique together, or use match_ids"
                yield (*place, "id_mapping"), f"{why}; {fix}"
    if not config.mappings:
        yield ("collections",), "no collection is enabled, so nothing would be synced; enable one"


def shown(value: object) -> str:
    """Return a value as the file has it, shortened."""
    return "no value" if value is None else str(value).lower() if isinstance(value, bool) else shorten(value)


def resolve(text: str, settings: Settings, path: Path) -> str:
    """Return the text with each ``${VARIABLE}`` replaced by its value: of the settings, the environment, then .env.

    Call it where the value is used, so that what needs no secret runs without one, and never show what it returns.
    Raises ConfigurationError, one line naming the line of the file at ``path`` and the variable that is not set.
    """

    def value(match: re.Match[str]) -> str:
        found = value_of(match[1], settings)
        if found:
            return found
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        line = next((number for number, line in enumerate(lines, 1) if match[0] in line), 1)
        what = f"{match[0]} is not set; set {match[1]} in the environment or in .env"
        raise FileError(Location(path, line), what)

    return PLACEHOLDER.sub(value, text)


def unfit_variables(place: str, text: str, settings: Settings) -> Iterator[str]:
    """Yield why a ``${VARIABLE}`` of the text at the place, such as ditto.api_key, cannot stand there.

    Nobody may know it, or it is a setting for something else: a text that is one setting and nothing more is of that
    setting whose name begins as the section does and ends as the key.
    """
    section, key = place.split(".")
    for match in PLACEHOLDER.finditer(text):
        name = match[1].lower()
        if name not in Settings.model_fields:
            if not value_of(match[1], settings):
                yield f"{match[0]} is not a setting, and is not set in the environment or in .env"
        elif match[0] == text and not (name.startswith(f"{section}_") and name.endswith(f"_{key}")):
            yield f"{match[0]} is a setting for another value; write the variable that belongs here"


def value_of(name: str, settings: Settings) -> str | None:
    """Return the value of a variable: of a setting, the environment or .env; None if it is not set."""
    if name.lower() in Settings.model_fields:
        given = getattr(settings, name.lower())
        return given.get_secret_value() if isinstance(given, SecretStr) else None if given is None else str(given)
    return settings.environment.get(name)


def unfit_for_ids(collection: Collection, names: Sequence[str]) -> Iterator[str]:
    """Yield why the fields cannot form Ditto's _id: the first reason for each, or that they are not unique."""
    reasons = [reason for name in names if (reason := _unfit(collection, name))]
    yield from reasons
    if not reasons and not any(set(group) <= set(names) for group in collection.unique):
        yield f"{' + '.join(names)}: two documents may have the same value (no x-unique)"


def _unfit(collection: Collection, name: str) -> str | None:
    if name == "_id":
        return "'_id' can be used by match_ids only; the other modes use the document's fields"
    if "." in name:
        return f"{name!r} is not a top-level field"
    if not collection.has(name):
        return f"{name!r} is not a field of {collection.name}"
    field = collection.field(name)
    if field.kind not in _ID_KINDS:
        return f"{name!r} is a {field.kind}, which Ditto does not accept in an _id"
    if not field.required:
        return f"{name!r} is optional, so a document without it could not sync"
    if not field.schema.get("x-immutable"):
        return f"{name!r} is not immutable (x-immutable), so a change would create another document"
    return None
