"""Protocols between recipes, batches and plans, so that none imports another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from conformance.config.configuration import Configuration
from conformance.config.settings import Settings
from conformance.language.formulas.formula import Formula
from conformance.language.formulas.nodes import Column
from conformance.model.collection import Collection, Field, Model, Reference
from generator.embeddings.embedder import Embedder

Array = np.ndarray[Any, Any]
#: Documents of a collection, or what is known of them.
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Calendar:
    """Documents per day from day number ``first`` (since 1970) on; ``ends`` are their running totals."""

    first: int
    sizes: Array
    ends: Array


class Plan(Protocol):
    """Everything a batch or a recipe asks for that is larger than a batch; see plan.py."""

    model: Model
    configuration: Configuration
    settings: Settings
    embedder: Embedder
    given: Mapping[str, Rows]

    def catalogue(self, collection: Collection) -> Rows: ...  # noqa: D102 - plan.py documents each
    def retained(self, name: str) -> Mapping[str, Array]: ...  # noqa: D102
    def retained_presence(self, name: str) -> Mapping[str, Array]: ...  # noqa: D102
    def equation(self, collection: Collection, field: Field) -> Formula: ...  # noqa: D102
    def calendar(self, collection: Collection) -> Calendar: ...  # noqa: D102
    def pairs(self, collection: Collection) -> Mapping[str, Array]: ...  # noqa: D102
    def fanned_out_from(self, collection: Collection) -> Collection | None: ...  # noqa: D102
    def fan_out(self, parent: Any, collection: Collection) -> Array: ...  # noqa: D102
    def child_batch(self, parent: Any, collection: Collection) -> Any: ...  # noqa: D102


class Batch(Protocol):
    """The interface for recipes: columns of a batch's documents and of their parents; see batch.py."""

    plan: Plan
    collection: Collection
    first: int
    size: int
    parent: Self | None
    rows: dict[str, Array]

    def rng(self, field: Field, purpose: str = "") -> np.random.Generator: ...  # noqa: D102 - batch.py documents each
    def column(self, path: str) -> Column: ...  # noqa: D102
    def values(self, path: str) -> list[Any]: ...  # noqa: D102
    def parents(self, reference: Reference) -> Mapping[str, Array]: ...  # noqa: D102
    def parent_size(self, field: str) -> int: ...  # noqa: D102
    def parent_rows(self, field: str) -> Array: ...  # noqa: D102
