"""A collection that crosses, and how its documents do: the model's definition with the configuration's mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.ditto.connector import ConnectorConfig, require_workable
from conformance.model.collection import Collection, IdMapping, Model
from edge.values import Unsyncable, to_ditto, to_mongo

Document = dict[str, Any]
#: MongoDB's _id, and the document as Ditto holds it or why it cannot cross.
Crossing = tuple[Any, Document | Unsyncable]


@dataclass(frozen=True)
class Synced:
    """One collection, with its name on both sides."""

    collection: Collection
    mapping: IdMapping

    @property
    def name(self) -> str:
        """The collection's name, in MongoDB and in Ditto."""
        return self.collection.name

    def to_ditto(self, document: Mapping[str, Any]) -> Document:
        """A MongoDB document as the store holds it; Unsyncable when it cannot cross."""
        return to_ditto(document, self.collection, self.mapping)

    def crossing(self, document: Mapping[str, Any]) -> Crossing:
        """A MongoDB document's _id, and the document as the store holds it or why it cannot cross."""
        try:
            return document["_id"], self.to_ditto(document)
        except Unsyncable as error:
            return document["_id"], error

    def to_mongo(self, document: Mapping[str, Any]) -> Document:
        """A store's document as MongoDB holds it; Unsyncable when it cannot cross."""
        return to_mongo(document, self.collection, self.mapping)

    def identify(self, document: Mapping[str, Any]) -> Document:
        """The MongoDB query that finds the document of a store's document."""
        made = self.to_mongo(document)
        if "_id" in made:
            return {"_id": made["_id"]}
        return {name: made[name] for name in self.mapping.fields}


def synced_collections(model: Model, config: ConnectorConfig) -> dict[str, Synced]:
    """The collections that the configuration enables, parents first; the others are nobody's business here.

    Raises ConfigurationError, one line, where nobody could sync by the configuration.
    """
    require_workable(model, config)
    return {each.name: Synced(each, config.mappings[each.name]) for each in model if each.name in config.mappings}
