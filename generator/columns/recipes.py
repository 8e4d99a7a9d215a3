"""Recipes: what `x-sample` can say about how a realistic value is made, each a function on a whole batch.

A recipe is given the batch, the field and its own parameters, and returns an inner column (see samplers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from conformance.errors import ConfigurationError
from conformance.language.calendar import day_number
from conformance.model.collection import Field
from conformance.model.embedding import embedded_paths, text_digest
from conformance.model.validators.document_validator import fits
from conformance.text.rendering import shorten
from generator.columns.pools import pool
from generator.columns.protocols import Batch
from generator.columns.references import reference
from generator.columns.samplers import objects
from generator.embeddings.embedded_text import joined

Array = np.ndarray[Any, Any]
Recipe = Callable[[Batch, Field, Any], Array]
_DAY: Final = 86_400
_VALUE_TYPES: Final = {"number": np.float64, "integer": np.int64}


def _constant(batch: Batch, field: Field, value: Any) -> Array:
    if field.kind == "money":
        value = float(round(100 * value))
    return objects([value] * batch.size) if isinstance(value, str) else np.full(batch.size, value)


def _sequence(batch: Batch, _: Field, template: str) -> Array:
    return objects([template.format(number + 1) for number in range(batch.first, batch.first + batch.size)])


def _pool(batch: Batch, field: Field, provider: str) -> Array:
    generation = batch.plan.configuration.generation
    values = pool(provider, generation.locale, generation.pool_size, batch.plan.settings.seed)
    return values[batch.rng(field).integers(0, len(values), batch.size)]


def _digits(batch: Batch, field: Field, template: str) -> Array:
    rng = batch.rng(field)
    columns = [
        rng.integers(2 if letter == "N" else 0, 10, batch.size).astype(str).tolist() if letter in "NX" else letter
        for letter in template
    ]
    rows = zip(*(column if isinstance(column, list) else [column] * batch.size for column in columns), strict=True)
    return objects(["".join(row) for row in rows])


def _template(batch: Batch, _: Field, template: str) -> Array:
    names = [part.split("}")[0] for part in template.split("{")[1:]]
    text = template
    for position, name in enumerate(names):
        text = text.replace("{" + name + "}", f"{{{position}}}", 1)
    columns = [
        range(batch.first + 1, batch.first + batch.size + 1)
        if name == "#"
        else [str(value).lower().replace(" ", "-") for value in batch.values(name)]
        for name in names
    ]
    return objects([text.format(*row) for row in zip(*columns, strict=True)])


def _uniform(batch: Batch, field: Field, bounds: list[float]) -> Array:
    rng, (low, high) = batch.rng(field), bounds
    if field.kind == "money":
        return rng.integers(round(100 * low), round(100 * high), batch.size, endpoint=True).astype(np.float64)
    if field.kind == "integer":
        return rng.integers(int(low), int(high), batch.size, endpoint=True)
    return rng.uniform(low, high, batch.size)


def _choice(batch: Batch, field: Field, weights: str | Mapping[Any, float]) -> Array:
    table = batch.plan.configuration.table(weights) if isinstance(weights, str) else weights
    values = np.array(list(table), dtype=_VALUE_TYPES.get(field.kind, object))
    unfit = next((value for value in values.tolist() if not fits(field.schema, value)), None)
    if unfit is not None:
        raise ConfigurationError(
            f"config/generation.yaml: {shorten(unfit)} of the parameter {weights} does not match the schema of"
            f" {batch.collection.name}.{field.path}; correct one of them"
        )
    chance = np.array(list(table.values()), dtype=np.float64)
    return values[batch.rng(field).choice(len(values), batch.size, p=chance / chance.sum())]


def _before(batch: Batch, field: Field, _: str) -> Array:
    """Uniform, to the second, in the ``days`` before START_DATE."""
    start = day_number(batch.plan.settings.start_date) * _DAY
    return start - batch.rng(field).integers(1, field.sample["days"] * _DAY, batch.size, endpoint=True)


def _after(batch: Batch, field: Field, path: str) -> Array:
    """Zero to ``days`` after another time stamp, mostly soon after (the square of a uniform draw), by END_DATE."""
    delay = batch.rng(field).random(batch.size) ** 2 * field.sample["days"] * _DAY
    cause = batch.column(path)[0].astype(np.int64)
    last = (day_number(batch.plan.settings.end_date) + 1) * _DAY - 1
    seconds: Array = np.minimum(cause + delay.astype(np.int64), np.maximum(cause, last))
    return seconds


def _same_as(batch: Batch, _: Field, path: str) -> Array:
    return batch.column(path)[0]


def _calendar(batch: Batch, field: Field, parameters: Mapping[str, Any]) -> Array:
    """Chronological over the whole collection: the k-th of a day's m documents falls into the k-th of m time slots.

    With ``midnight``, all of a day's documents are at its beginning.
    """
    days = batch.plan.calendar(batch.collection)
    number = np.arange(batch.first, batch.first + batch.size)
    day = np.searchsorted(days.ends, number, side="right")
    if parameters.get("midnight"):
        return (days.first + day) * _DAY
    slot = number - (days.ends[day] - days.sizes[day])
    within = (slot + batch.rng(field).random(batch.size)) / days.sizes[day] * _DAY
    seconds: Array = (days.first + day) * _DAY + np.minimum(within.astype(np.int64), _DAY - 1)
    return seconds


def _day_sequence(batch: Batch, _: Field, parameters: Mapping[str, str]) -> Array:
    days = batch.plan.calendar(batch.collection)
    number = np.arange(batch.first, batch.first + batch.size)
    day = np.searchsorted(days.ends, number, side="right")
    slot = number - (days.ends[day] - days.sizes[day]) + 1
    texts = np.datetime_as_string((days.first + day).astype("datetime64[D]")).tolist()
    make = parameters["format"].format
    return objects([make(day=t.replace("-", ""), n=n) for t, n in zip(texts, slot.tolist(), strict=True)])


def _embedding(batch: Batch, field: Field, parameters: Mapping[str, Any]) -> Array:
    texts = [joined(row) for row in zip(*(batch.values(path) for path in parameters["of"]), strict=True)]
    vectors = batch.plan.embedder.embed(texts, field.schema["maxItems"])
    return objects([row.tolist() for row in vectors])


def _embedded(batch: Batch, _: Field, what: str) -> Array:
    if what == "provider":
        return objects([batch.plan.embedder.provider] * batch.size)
    columns = [batch.values(path) for path in embedded_paths(batch.collection)]
    return objects([text_digest(texts) for texts in zip(*columns, strict=True)])


def _scaled(batch: Batch, field: Field, parameters: Mapping[str, Any]) -> Array:
    """Return a price: another price x the parameter of the key x a uniform factor, rounded half up."""
    factor = np.array(batch.plan.configuration.look_up(parameters["by"], batch.values(parameters["key"])))
    low, high = parameters["spread"]
    spread = batch.rng(field).uniform(low, high, batch.size)
    prices: Array = np.floor(batch.column(parameters["of"])[0] * factor * spread + 0.5)
    return prices


RECIPES: Final[Mapping[str, Recipe]] = {
    "constant": _constant,
    "sequence": _sequence,
    "pool": _pool,
    "digits": _digits,
    "template": _template,
    "uniform": _uniform,
    "choice": _choice,
    "before": _before,
    "after": _after,
    "same_as": _same_as,
    "calendar": _calendar,
    "day_sequence": _day_sequence,
    "embedding": _embedding,
    "embedded": _embedded,
    "scaled": _scaled,
    "reference": reference,
}
