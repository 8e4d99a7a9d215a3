"""Rows from elsewhere, such as another system's files: made into conformant documents, or refused by their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conformance.config.configuration import Configuration
from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Field, Model
from conformance.model.kinds import is_number
from conformance.model.validators.document_validator import breaches
from conformance.text.rendering import shorten
from generator.columns.batch import Document
from generator.columns.plan import Plan
from generator.columns.protocols import Rows


@dataclass(frozen=True)
class Row:
    """The values of one document in the source, by the model's field; ``place`` is its place, for errors.

    ``names`` are the source's own names of fields, where they differ.
    """

    place: str
    values: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)

    def at(self, path: str) -> str:
        """Return the place of a field, by the source's names."""
        top, dot, rest = path.partition(".")
        return f"{self.place}{'.' if ': at ' in self.place else ': at '}{self.names.get(top, top)}{dot}{rest}"


def check_rows(collection: Collection, rows: Sequence[Row]) -> None:
    """Raise ConfigurationError, with its place, for the first value that breaks the schema or that two rows share."""
    for row in rows:
        wrong = [breach for breach in breaches(collection, row.values) if breach.field in row.values]
        if wrong:
            raise refused(row.at(wrong[0].path), wrong[0].message)
    for paths in collection.unique:
        seen: dict[tuple[Any, ...], Row] = {}
        for row in rows:
            key = tuple(row.values.get(path) for path in paths)
            other = seen.setdefault(key, row)
            if other is not row and None not in key:
                raise refused(row.at(paths[0]), f"{shorten(key[0])} is also that of {other.place}; make them differ")


def documents(
    model: Model, configuration: Configuration, settings: Settings, rows: Mapping[str, Sequence[Row]]
) -> Mapping[str, list[Document]]:
    """Return the documents of checked rows, by collection, parents first.

    What a row does not say is made as the generator makes it where the schema requires it, and absent elsewhere.
    """
    given: dict[str, Rows] = dict.fromkeys(model.collections, ())  # of the rest there is nothing, and nothing is drawn
    given |= {name: [row.values for row in found] for name, found in rows.items()}
    made: dict[str, list[Document]] = {name: [] for name in model.collections if name in rows}
    for name, batch in Plan(model, configuration, settings, given=given).documents(made):
        made[name] += batch
    return made


def vector(field: Field, value: Any, place: str) -> list[float]:
    """Return the value as the doubles of a vector field.

    ConfigurationError unless it is a list of as many finite numbers as the field has, not all of them 0.
    """
    low, high = field.schema["minItems"], field.schema["maxItems"]
    if not isinstance(value, list) or not low <= len(value) <= high:
        found = f"{len(value)} items" if isinstance(value, list) else shorten(value)
        raise refused(place, f"{found} in place of a list of {high} numbers")
    odd = next((element for element in value if not is_number(element)), None)
    if odd is not None:
        raise refused(place, f"{shorten(odd)} is not a finite number")
    doubles = np.array(value, dtype=np.float64)
    if not doubles.any():
        raise refused(place, "every number is 0; compute the vector again")
    return doubles.tolist()  # type: ignore[no-any-return]


def number(place: str, value: Any) -> float:
    """Return the value, which must be a finite number above 0."""
    if not is_number(value) or value <= 0:
        raise refused(place, f"{shorten(value)} is not a number above 0")
    return float(value)


def refused(place: str, why: str) -> ConfigurationError:
    """Return the one line for input that is not as it should be."""
    return ConfigurationError(f"{place}: {why}; nothing was written")
