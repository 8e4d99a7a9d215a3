"""The recipe of references: which document of another collection each document refers to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Field
from conformance.model.kinds import bson_types
from generator.columns.indexed import combination
from generator.columns.nulls import may_refer_to_nothing
from generator.columns.protocols import Batch
from generator.columns.samplers import objects

Array = np.ndarray[Any, Any]


def keys(batch: Batch, field: Field) -> Array:
    """Return the keys that a field may have, of all collections that it may refer to."""
    references = batch.collection.references_of(field.path)
    return np.concatenate([batch.parents(each)[each.target_field] for each in references])


def no_keys(collection: Collection, field: Field) -> ConfigurationError:
    """Return the error for a reference that must have a key where there is none."""
    targets = " or ".join(each.target for each in collection.references_of(field.path))
    return ConfigurationError(
        f"{collection.path}: {field.path} refers to {targets}, which has no documents; change one x-cardinality"
    )


def one_of_several(batch: Batch, field: Field) -> Array:
    """Draw from the keys of all collections that the field may refer to."""
    there = keys(batch, field)
    if batch.size and not len(there):
        return _nothing(batch, field)
    return there[batch.rng(field).integers(0, len(there), batch.size)]


def _nothing(batch: Batch, field: Field) -> Array:
    """Let no document refer to anything; ConfigurationError if each must."""
    if not may_refer_to_nothing(batch.collection, field):
        raise no_keys(batch.collection, field)
    batch.rows[field.path] = np.full(batch.size, -1)
    return objects([None] * batch.size)


def reference(batch: Batch, field: Field, parameters: Mapping[str, Any]) -> Array:
    """Choose the rows of the referenced collection first; the value is theirs."""
    referred = batch.collection.reference(field.path)
    parents = batch.parents(referred)
    if batch.size and not len(parents[referred.target_field]):
        return _nothing(batch, field)
    if referred.target == batch.collection.name:
        return _own_key(batch, field, parents[referred.target_field])
    how, parameter = next(iter(parameters.items())) if parameters else ("any", None)
    rows = _ROWS[how](batch, field, parameter)
    batch.rows[field.path] = rows
    return parents[referred.target_field][rows]


def _own_key(batch: Batch, field: Field, keys: Array) -> Array:
    """Refer to a document before this one, so that the documents of a batch are a tree; its first is the root.

    The root refers to nothing if that is allowed, else to itself. Where the reference is unique, the tree is a chain.
    """
    before = np.arange(batch.size) - 1
    rows = before if "x-unique" in field.schema else (batch.rng(field).random(batch.size) * (before + 1)).astype(int)
    nullable = "null" in bson_types(field.schema)
    rows[:1] = -1 if may_refer_to_nothing(batch.collection, field) else 0
    batch.rows[field.path] = rows
    values = objects(keys[rows].tolist()) if nullable else keys[rows]
    if nullable:
        values[:1] = None
    return values


def _any_row(batch: Batch, field: Field, _: Any) -> Array:
    if field.path == batch.collection.id_field:
        return _own_row(batch, field)
    rows = combination(batch, field)
    return batch.rng(field).integers(0, batch.parent_size(field.path), batch.size) if rows is None else rows


def _own_row(batch: Batch, field: Field) -> Array:
    """Refer to one parent each, because _id equals the field and no two documents share it."""
    last = batch.first + batch.size
    if last > batch.parent_size(field.path):
        raise ConfigurationError(
            f"{batch.collection.path}: _id equals {field.path}, so there cannot be more documents than"
            f" {batch.collection.reference(field.path).target} has; change one x-cardinality"
        )
    return np.arange(batch.first, last)


def _weighted_row(batch: Batch, field: Field, figure: str) -> Array:
    reference = batch.collection.reference(field.path)
    keys = batch.parents(reference)[reference.target_field]
    weights = np.array(batch.plan.configuration.look_up(figure, keys), dtype=np.float64)
    return batch.rng(field).choice(len(keys), batch.size, p=weights / weights.sum())


def _matching_row(batch: Batch, field: Field, pair: Mapping[str, str]) -> Array:
    """Uniform among the parents whose field equals ours; among all where none does."""
    ((theirs, ours),) = pair.items()
    parents = batch.parents(batch.collection.reference(field.path))[theirs]
    keys, codes = np.unique(parents.astype(str), return_inverse=True)
    by_key = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(keys))
    starts = np.cumsum(sizes) - sizes
    wanted = batch.column(ours)[0].astype(str)
    group = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = keys[group] == wanted
    draw = batch.rng(field).random(batch.size)
    inside = by_key[starts[group] + (draw * sizes[group]).astype(np.int64)]
    return np.where(found, inside, (draw * len(parents)).astype(np.int64))


def _each_row(batch: Batch, field: Field, _: bool) -> Array:
    return batch.plan.pairs(batch.collection)[field.path][batch.first : batch.first + batch.size]


def _parent_row(batch: Batch, field: Field, _: str) -> Array:
    return batch.parent_rows(field.path)


def _seasonal_row(batch: Batch, field: Field, parameters: Mapping[str, str]) -> Array:
    """Return the group by the month's multipliers, then uniform within it: a season moves the mix, not the volume."""
    reference = batch.collection.reference(field.path)
    through = batch.plan.model[reference.target].reference(parameters["through"])
    groups = batch.plan.retained(through.target)
    of_parent = batch.parents(reference)[parameters["through"]]
    position = {key: number for number, key in enumerate(groups[through.target_field])}
    codes = np.array([position[key] for key in of_parent])
    by_group = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(position))
    starts = np.cumsum(sizes) - sizes
    months = [month.name for month in batch.plan.model[through.target].field(parameters["multipliers"]).children]
    tables = groups[parameters["multipliers"]]
    mix = np.array([[table[month] for month in months] for table in tables]).T * (sizes > 0)
    limits = np.cumsum(mix / mix.sum(axis=1, keepdims=True), axis=1)
    month = batch.column(parameters["date"])[0].astype("datetime64[s]").astype("datetime64[M]").astype(int) % 12
    rng = batch.rng(field)
    chosen = (rng.random(batch.size)[:, None] >= limits[month][:, :-1]).sum(axis=1)
    rows: Array = by_group[starts[chosen] + (rng.random(batch.size) * sizes[chosen]).astype(np.int64)]
    return rows


_ROWS: Final[Mapping[str, Callable[[Batch, Field, Any], Array]]] = {
    "any": _any_row,
    "weights": _weighted_row,
    "matching": _matching_row,
    "each": _each_row,
    "parent": _parent_row,
    "seasonal": _seasonal_row,
}
