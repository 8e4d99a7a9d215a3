"""The catalogue that a database holds already, for the generator to go on from: its stores and products, so to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.database import Database

from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Model
from conformance.model.validators.document_validator import breaches
from conformance.text.rendering import shorten
from generator.columns.batch import Document


def catalogue_names(model: Model, configuration: Configuration) -> tuple[str, ...]:
    """Return the collections with rows in config/catalogue.yaml, and those with one document for each row."""
    names: list[str] = []
    for collection in model:  # parents first
        if collection.name in configuration.catalogue or _one_for_each(collection) in names:
            names.append(collection.name)
    return tuple(names)


def held_catalogue(model: Model, configuration: Configuration, database: Database[Any]) -> Mapping[str, list[Document]]:
    """Return the live documents of the catalogue's collections, when the database holds all of them and nothing else.

    Empty when it holds less or more: a half-made dataset is nothing to go on from. A collection that no other refers
    to is named without its documents. ConfigurationError, one line, for a document that does not meet its schema.
    """
    names = catalogue_names(model, configuration)
    held = {name for name in database.list_collection_names() if database[name].find_one({}, {"_id": 1}) is not None}
    if not names or held != set(names):
        return {}
    for collection in (model[name] for name in names):
        parent = _one_for_each(collection)
        if parent and database[collection.name].count_documents({}) != database[parent].count_documents({}):
            return {}
    referred_to = {reference.target for collection in model for reference in collection.references}
    return {name: _live(model[name], database) if name in referred_to else [] for name in names}


def _one_for_each(collection: Collection) -> str | None:
    """Return the collection for each of whose documents there is exactly one of this."""
    declared = collection.cardinality
    one = len(declared.get("per", ())) == 1 and list(declared["between"]) == [1, 1]
    return str(declared["per"][0]) if one else None


def _live(collection: Collection, database: Database[Any]) -> list[Document]:
    flag = collection.soft_delete
    documents = list(database[collection.name].find({flag: {"$ne": True}} if flag else {}).sort("_id", 1))
    for document in documents:
        found = breaches(collection, document)
        if found:
            raise ConfigurationError(
                f"{database.name}.{collection.name}: {shorten(document.get('_id'))}: {found[0].path}"
                f" {found[0].message};"
                " correct it before more is generated from it"
            )
    return documents
