"""The resource that Ditto's operator reads, a BigPeerDataBridge, built from the model's connector configuration.

Neither the operator nor the portal reads config/ditto_connector_config.yaml. The fields are those of operator 0.10 and
newer: <https://docs.ditto.live/ditto-server/operator/connectors/mongodb>.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conformance.config.settings import Settings
from conformance.ditto.connector import (
    CONNECTOR_FILE,
    ConnectorConfig,
    load_connector,
    require_workable,
    resolve,
)
from conformance.model.collection import IdMapping, Model

API_VERSION: Final = "ditto.live/v1alpha1"
KIND: Final = "BigPeerDataBridge"
#: Labels without which the operator ignores the resource, with what their value names.
LABELS: Final = {"ditto.live/app": "the app", "ditto.live/big-peer": "the big peer"}


@dataclass(frozen=True)
class Bridged:
    """The connector's settings for one collection, including defaults."""

    mapping: IdMapping
    initial_sync: bool
    strict_mode: bool
    mode: str

    @property
    def fields(self) -> list[str]:
        """The fields of MongoDB that Ditto's _id is made of."""
        return list(self.mapping.fields) or ["_id"]


@dataclass(frozen=True)
class Plan:
    """The work of the connector: the collections of one database that sync, and those that do not."""

    database: str
    collections: Mapping[str, Bridged]
    excluded: Sequence[str]


@dataclass(frozen=True)
class Names:
    """Names of a deployment, which the model does not know."""

    name: str
    app: str
    big_peer: str
    secret: str
    secret_key: str
    namespace: str | None = None


def load_plan(model: Model, settings: Settings) -> Plan:
    """Return what the model's configuration asks of the connector.

    Raises ConfigurationError, one line, where the configuration cannot be read or no connector could work by it.
    """
    config = load_connector(model)
    require_workable(model, config)
    database = resolve(config.mongodb.database, settings, model.config(CONNECTOR_FILE))
    synced = dict(_bridged(config))
    return Plan(database, synced, [name for name in model.collections if name not in synced])


def _bridged(config: ConnectorConfig) -> Iterator[tuple[str, Bridged]]:
    common = config.settings
    for entry in config.collections:
        if entry.sync_enabled and entry.id_mapping is not None:
            strict = common.strict_mode if entry.strict_mode is None else entry.strict_mode
            initial = config.copies_existing(entry)
            mapping = entry.id_mapping.as_mapping()
            yield entry.name, Bridged(mapping, initial, bool(strict) and entry.mode != "ejson", entry.mode)


def build(plan: Plan, names: Names) -> dict[str, Any]:
    """Return the resource as plain values, in the order in which it is written."""
    place = {"namespace": names.namespace} if names.namespace else {}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": names.name,
            **place,
            "labels": dict(zip(LABELS, (names.app, names.big_peer), strict=True)),
        },
        "spec": {
            "bridge": {
                "mongoConnector": {
                    "connectionSecret": {
                        "kubernetesSecret": {"name": names.secret, "connectionString": names.secret_key}
                    },
                    "database": plan.database,
                    "collections": {name: as_keys(each) for name, each in plan.collections.items()},
                }
            }
        },
    }


def as_keys(bridged: Bridged) -> dict[str, Any]:
    """Return a collection's keys in the resource, every one stated."""
    return {
        "fields": bridged.fields,
        "initialSync": bridged.initial_sync,
        "mode": bridged.mode,
        "dqlStrictMode": bridged.strict_mode,
    }
