"""Lookup tables of config/generation.yaml as formulas use them: ``table[field]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.config.configuration import Configuration
from conformance.language.formulas.expressions import Expression, typed
from conformance.model.collection import Collection
from conformance.model.kinds import Kind
from conformance.text.paths import value_at
from conformance.text.rendering import shorten
from conformance.text.suggestion import nearest


@dataclass(frozen=True)
class Lookup:
    """The values of the table ``name`` by what the field ``key`` holds."""

    name: str
    key: str
    kind: Kind
    values: Mapping[Any, float]

    def mongo(self) -> Expression:
        """Return the table's value for the document's key; null when it has none."""
        branches = [{"case": {"$eq": [f"${self.key}", key]}, "then": value} for key, value in self.values.items()]
        return {"$switch": {"branches": branches, "default": None}}

    def unlisted(self) -> Expression:
        """Return whether the document has a key of the right type that the table does not list."""
        path = f"${self.key}"
        return {"$and": [typed(path, self.kind), {"$not": [{"$in": [path, list(self.values)]}]}]}

    def why_unlisted(self, document: Mapping[str, Any]) -> str | None:
        """Name the key that the table does not list; None when it lists the document's, or there is none."""
        value = value_at(document, self.key)
        if value is None or (isinstance(value, str | int | float) and value in self.values):
            return None
        return (
            f"{self.key} is {shorten(value)}, which {self.name} in config/generation.yaml does not list;"
            f" add it there, or correct {self.key}"
        )

    def missing_row(self, collection: Collection, configuration: Configuration) -> tuple[str, str] | None:
        """Name the first row of config/catalogue.yaml whose key the table does not list, and say what to do.

        Return None when the table lists all keys.
        """
        name, field = collection.name, self.key
        reference = next((one for one in collection.references if one.field == self.key), None)
        if reference is not None:
            name, field = reference.target, reference.target_field
        rows = configuration.catalogue.get(name, ())
        keys = [row[field] for row in rows if field in row]
        for key in keys:
            if key not in self.values:
                stray = nearest(key, [str(one) for one in self.values if one not in keys])
                return (
                    f"the table {self.name} of config/generation.yaml has no value for {shorten(key)}, which is among"
                    f" the {name} of config/catalogue.yaml",
                    f"rename its {stray}" if stray else "add it",
                )
        return None
