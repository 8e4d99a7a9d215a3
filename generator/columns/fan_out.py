"""Draw how many children each document of a batch gets, such as the items of an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Field

Array = np.ndarray[Any, Any]


def limits(collection: Collection) -> tuple[int, int]:
    """Return the fewest and the most children that a parent has."""
    low, high = (int(bound) for bound in collection.cardinality["between"])
    return low, high


def drawn(
    collection: Collection, field: Field, table: Mapping[Any, float], size: int, rng: np.random.Generator
) -> Array:
    """Draw a number of children for each of ``size`` parents, by the weights that the field's recipe names."""
    low, high = limits(collection)
    odd = next((number for number in table if number not in range(low, high + 1)), None)
    if odd is not None:
        figure = field.sample.get("reference", {}).get("parent")
        raise ConfigurationError(
            f"config/generation.yaml: the parameter {figure} gives {odd!r} children, but"
            f" {collection.path.name} says {low} to {high}; correct one of them"
        )
    chance = np.array(list(table.values()), dtype=np.float64)
    return rng.choice(np.array(list(table), dtype=np.int64), size, p=chance / chance.sum())


def check_total(collection: Collection, total: int, parents: int) -> None:
    """Raise ConfigurationError, one line, if no division of ``total`` children over the parents is allowed."""
    low, high = limits(collection)
    if not low * parents <= total <= high * parents:
        setting, parent = collection.cardinality["setting"], collection.cardinality["per"][0]
        raise ConfigurationError(
            f"{setting}: {total} {collection.name} for {parents} {parent}, but {collection.path.name} says {low} to"
            f" {high} for each; set it to a number from {low * parents} to {high * parents}"
        )


def quota(total: int, parents: int, first: int, size: int) -> int:
    """Return how many of ``total`` children fall to the ``size`` parents from ``first``, so that all add up to it."""
    return total * (first + size) // parents - total * first // parents


def adjusted(numbers: Array, wanted: int, bounds: tuple[int, int], rng: np.random.Generator) -> Array:
    """Give or take single children, at random parents, until there are as many as wanted."""
    numbers = numbers.copy()
    while missing := wanted - int(numbers.sum()):
        step = 1 if missing > 0 else -1
        open_to_it = np.flatnonzero(numbers != bounds[1 if step > 0 else 0])
        numbers[rng.permutation(open_to_it)[: abs(missing)]] += step
    return numbers
