"""The connector's configuration, config/ditto_connector_config.yaml, parsed strictly.

Parsing refuses what cannot be read: unknown and repeated keys, wrong types, a mapping without its fields. Whether the
values agree with the model, and are sane, is for the rules of family `sync` to say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from dotenv import dotenv_values
from pydantic import ConfigDict, Field, SecretStr

from conformance.configuration import Strict
from conformance.errors import ConfigurationError
from conformance.model import Collection, IdMapping, Model
from conformance.reading import parse_file
from conformance.settings import Settings

#: The file's name below config/.
CONNECTOR_FILE: Final = "ditto_connector_config.yaml"
#: What Ditto takes as (a part of) an _id: neither floats nor null, arrays or objects (02-data-model).
_ID_KINDS: Final = frozenset({"objectid", "uuid", "timestamp", "enum", "string", "integer", "boolean"})
#: A value that stands elsewhere, by the name of its setting or environment variable.
PLACEHOLDER: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


class Exact(Strict):
    """Strict in types too: "100" is no number and 1 no boolean."""

    model_config = ConfigDict(strict=True)


class MatchIds(Exact):
    """Ditto's _id is MongoDB's."""

    mode: Literal["match_ids"]

    def as_mapping(self) -> IdMapping:
        """The mapping in the model's terms."""
        return IdMapping(self.mode, ())


class SingleField(Exact):
    """Ditto's _id is the value of one field."""

    mode: Literal["single_field"]
    field: str

    def as_mapping(self) -> IdMapping:
        """The mapping in the model's terms."""
        return IdMapping(self.mode, (self.field,))


class MultipleFields(Exact):
    """Ditto's _id is an object of several fields."""

    mode: Literal["multiple_fields"]
    fields: Annotated[tuple[str, ...], Field(min_length=2, strict=False)]

    def as_mapping(self) -> IdMapping:
        """The mapping in the model's terms."""
        return IdMapping(self.mode, self.fields)


class Entry(Exact):
    """What the connector does with one collection; ``id_mapping`` is idle where it is not synced."""

    name: str
    sync_enabled: bool
    id_mapping: Annotated[MatchIds | SingleField | MultipleFields, Field(discriminator="mode")] | None = None


class MongoSource(Exact):
    """Where the documents are."""

    connection_string: str
    database: str


class DittoTarget(Exact):
    """Where they go."""

    app_id: str
    api_key: str
    endpoint: str


class RetryStrategy(Exact):
    """How the connector goes on after a failure.

    A batch is tried ``max_retries`` times again, each wait ``backoff_multiplier`` times the last. Every wait is
    lengthened by a random share of itself, at most ``jitter``, so that many peers do not come back all at once.
    """

    max_retries: int
    backoff_multiplier: float
    jitter: float


class ConnectorSettings(Exact):
    """How fast and how the connector works.

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
        """How the _id of each synced collection is made, by the collection's name; others are not in it."""
        synced = (entry for entry in self.collections if entry.sync_enabled)
        return {entry.name: entry.id_mapping.as_mapping() for entry in synced if entry.id_mapping is not None}


def load_connector(model: Model) -> ConnectorConfig:
    """The model's connector configuration.

    Raises ConfigurationError, one line with file, place and mend, when the file is missing or not as described.
    """
    config: ConnectorConfig = parse_file(ConnectorConfig, model.config(CONNECTOR_FILE))
    return config


def resolve(text: str, settings: Settings, path: Path) -> str:
    """The text with each ``${VARIABLE}`` replaced by its value: of the settings, the environment, then .env.

    Call it where the value is used, so that what needs no secret runs without one, and never show what it returns.
    Raises ConfigurationError, one line naming the line of the file at ``path`` and the variable that is not set.
    """

    def value(match: re.Match[str]) -> str:
        found = _value(match[1], settings)
        if found:
            return found
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        line = next((number for number, line in enumerate(lines, 1) if match[0] in line), 1)
        raise ConfigurationError(f"{path}:{line}: {match[0]} is not set; set {match[1]} in the environment or in .env")

    return PLACEHOLDER.sub(value, text)


def _value(name: str, settings: Settings) -> str | None:
    if name.lower() in Settings.model_fields:
        given = getattr(settings, name.lower())
        return given.get_secret_value() if isinstance(given, SecretStr) else None if given is None else str(given)
    return os.environ.get(name) or dotenv_values(".env").get(name)


def unfit_for_ids(collection: Collection, names: Sequence[str]) -> Iterator[str]:
    """Why the fields cannot make Ditto's _id, in words: the first reason for each, or that they are not unique."""
    reasons = [reason for name in names if (reason := _unfit(collection, name))]
    yield from reasons
    unique = any(set(group) <= set(names) for group in collection.unique)
    if not reasons and not unique:
        yield f"{' + '.join(names)}: two documents may share the value (no x-unique)"


def _unfit(collection: Collection, name: str) -> str | None:
    if name == "_id":
        return "'_id' is taken by match_ids only; the other modes read the document's fields"
    if "." in name:
        return f"{name!r} is not a top-level field"
    if not collection.has(name):
        return f"{name!r} is no field of {collection.name}"
    field = collection.field(name)
    if field.kind not in _ID_KINDS:
        return f"{name!r} is a {field.kind}, which Ditto takes in no _id"
    if not field.required:
        return f"{name!r} is optional: a document without it could not sync"
    if not field.schema.get("x-immutable"):
        return f"{name!r} is not immutable (x-immutable): its change would make another document"
    return None
