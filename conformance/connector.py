"""The connector's configuration, config/ditto_connector_config.yaml, parsed strictly.

Parsing refuses what cannot be read: unknown and repeated keys, wrong types, a mapping without its fields. Whether the
values agree with the model, and are sane, is for the rules of family `sync` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from conformance.configuration import Strict, parse_yaml
from conformance.model import Collection, IdMapping, Model

#: The file's name below config/.
CONNECTOR_FILE: Final = "ditto_connector_config.yaml"
#: What Ditto takes as (a part of) an _id: neither floats nor null, arrays or objects (02-data-model).
_ID_KINDS: Final = frozenset({"objectid", "uuid", "timestamp", "enum", "string", "integer", "boolean"})


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
    """How the connector goes on after a failure."""

    max_retries: int
    backoff_multiplier: float


class ConnectorSettings(Exact):
    """How fast and how the connector works. ``strict_mode`` None is "not said", which the rules do not accept."""

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


def load_connector(model: Model) -> ConnectorConfig:
    """The model's connector configuration.

    Raises ConfigurationError, one line with file, place and mend, when the file is missing or not as described.
    """
    config: ConnectorConfig = parse_yaml(ConnectorConfig, model.config(CONNECTOR_FILE))
    return config


def unfit_for_ids(collection: Collection, names: Sequence[str]) -> Iterator[str]:
    """Why the fields cannot make Ditto's _id, in words: the first reason for each, or that they are not unique."""
    reasons = [reason for name in names if (reason := _unfit(collection, name))]
    yield from reasons
    unique = "_id" in names or any(set(group) <= set(names) for group in collection.unique)
    if not reasons and not unique:
        yield f"{' + '.join(names)}: two documents may share the value (no x-unique)"


def _unfit(collection: Collection, name: str) -> str | None:
    if name == "_id":
        return None
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
