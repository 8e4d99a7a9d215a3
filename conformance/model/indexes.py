"""The indexes that a model declares for a collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from conformance.text.paths import as_subject


@dataclass(frozen=True)
class Index:
    """A wanted index; ``keys`` in order, each with 1, -1 or the kind of index, such as "text" or "2dsphere".

    ``options`` are MongoDB's own (index_options.py); ``given`` is a name other than MongoDB's default.
    """

    keys: tuple[tuple[str, int | str], ...]
    unique: bool
    weights: Mapping[str, int]
    options: Mapping[str, Any] = dataclass_field(default_factory=dict)
    given: str | None = None

    @property
    def name(self) -> str:
        """The given name, or MongoDB's default one for the keys, such as ``store_id_1_status_1``."""
        return self.given or "_".join(f"{path}_{direction}" for path, direction in self.keys)

    @property
    def subject(self) -> str:
        """The keys as they stand in a rule id."""
        return as_subject(*(path for path, _ in self.keys))


@dataclass(frozen=True)
class VectorIndex:
    """A wanted Atlas vector search index; ``dimensions`` by field."""

    name: str
    similarity: str
    dimensions: Mapping[str, int]
