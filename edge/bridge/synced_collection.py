"""A collection that crosses, and how its documents do: the model's definition with the configuration's mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from conformance.ditto.connector import CONNECTOR_FILE, ConnectorConfig, require_workable, shown
from conformance.errors import ConfigurationError
from conformance.files.strict_files import located
from conformance.model.collection import Collection, IdMapping, Model
from edge import ejson
from edge.object_ids import id_parts
from edge.values import Unsyncable, to_ditto, to_mongo

Document = dict[str, Any]
#: MongoDB's _id, and the document as Ditto holds it or why it cannot cross.
Crossing = tuple[Any, Document | Unsyncable]


@dataclass(frozen=True)
class Synced:
    """One collection, with its name on both sides."""

    collection: Collection
    mapping: IdMapping
    #: Whether the documents that exist already are copied.
    initial_sync: bool = True
    #: The form of BSON's types in Ditto: own values or text (see values), or Extended JSON (see ejson).
    mode: Literal["native", "ejson"] = "native"

    @property
    def name(self) -> str:
        """The collection's name, in MongoDB and in Ditto."""
        return self.collection.name

    def to_ditto(self, document: Mapping[str, Any]) -> Document:
        """Return a MongoDB document as the store holds it; Unsyncable when it cannot cross."""
        if self.mode == "ejson":
            return ejson.to_ditto(document, self.mapping, id_parts(self.collection))
        return to_ditto(document, self.collection, self.mapping)

    def crossing(self, document: Mapping[str, Any]) -> Crossing:
        """Return a MongoDB document's _id, and the document as the store holds it or why it cannot cross."""
        try:
            return document["_id"], self.to_ditto(document)
        except Unsyncable as error:
            return document["_id"], error

    def to_mongo(self, document: Mapping[str, Any]) -> Document:
        """Return a store's document as MongoDB holds it; Unsyncable when it cannot cross."""
        if self.mode == "ejson":
            return ejson.to_mongo(document, self.collection, self.mapping)
        return to_mongo(document, self.collection, self.mapping)

    def is_value(self, item: Any) -> bool:
        """Return whether an object of a store's document stands for one value of MongoDB's."""
        return self.mode == "ejson" and ejson.is_value(item)

    def identify(self, document: Mapping[str, Any]) -> Document:
        """Return the MongoDB query that finds the document of a store's document."""
        made = self.to_mongo(document)
        if "_id" in made:
            return {"_id": made["_id"]}
        return {name: made[name] for name in self.mapping.fields}


def synced_collections(model: Model, config: ConnectorConfig) -> dict[str, Synced]:
    """Return the collections that the configuration enables, parents first; the others are nobody's business here.

    Raises ConfigurationError, one line, where nobody could sync by the configuration.
    """
    require_workable(model, config)
    _require_supported(model, config)
    entries = {each.name: each for each in config.collections}
    return {
        each.name: Synced(
            each, config.mappings[each.name], config.copies_existing(entries[each.name]), entries[each.name].mode
        )
        for each in model
        if each.name in config.mappings
    }


def _require_supported(model: Model, config: ConnectorConfig) -> None:
    """Raise ConfigurationError for a setting of one collection that Ditto's connector has and the bridge has not.

    A store has one strict mode, and mode ejson is without it.
    """
    common = config.settings.strict_mode
    for position, entry in enumerate(config.collections):
        if not entry.sync_enabled:
            continue
        where = located(model.config(CONNECTOR_FILE), ("collections", position, "mode"))
        if entry.mode == "ejson" and common:
            raise ConfigurationError(
                f"{where}: {entry.name} has mode ejson, which is without strict mode, and the bridge uses one for all"
                " collections; write strict_mode: false under settings, or use Ditto's connector"
            )
        where = located(model.config(CONNECTOR_FILE), ("collections", position, "strict_mode"))
        if entry.strict_mode not in (None, common):
            raise ConfigurationError(
                f"{where}: {entry.name} has strict_mode {shown(entry.strict_mode)}; the bridge uses that of settings"
                f" for all collections, {shown(common)}; use Ditto's connector, or remove strict_mode here"
            )
